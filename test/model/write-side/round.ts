/**
 * The flush worker, as in src/core/write-back/writeback.ts, cut.ts and fence.ts: the cut, the stages class by class, marking
 * blocks clean, and failures. A new flush worker waits for the writers of its predecessor, then makes a cut of its own.
 */
import {
  dropSaved,
  eachClassChange,
  type Effect,
  isUnwrittenWithin,
  classToWrite,
  imageToWrite,
  ownsWithin,
} from './images.js'
import type { Model } from './model.js'
import { getsMutex, runSection } from './section.js'
import {
  Block,
  blockAt,
  FLUSH_WORKER,
  Group,
  Job,
  PARTITIONS,
  Phase,
  Result,
  Round,
  Spare,
  spareAt,
  type State,
  Writer,
  writerAt,
} from './state.js'

export function flushWorkerSteps(m: Model): void {
  const phase = m.now[Round.phase]!
  if (phase === Phase.DEAD) return
  if (phase !== Phase.IDLE && m.deathsLeft(FLUSH_WORKER) > 0) {
    const s = m.begin()
    m.die(s, FLUSH_WORKER)
    m.end(FLUSH_WORKER, 'dies between two sections')
  }
  if (!getsMutex(m, FLUSH_WORKER) || !areWritersIdle(m.now)) return
  if (phase === Phase.IDLE) {
    if (m.now[Group.want]! > m.now[Group.done]!) cut(m)
  } else if (phase === Phase.CUT_EPOCH) cutEpoch(m)
  else if (phase === Phase.CUT_BOUND) cutBound(m)
  else if (phase === Phase.CLEANING) finishStage(m)
  else if (phase === Phase.WRITING) finishStage(m)
  else if (phase === Phase.NEW) forgetCut(m)
  else finishRound(m)
}

export function areWritersIdle(s: State): boolean {
  for (let partition = 0; partition < PARTITIONS; partition++)
    if (s[writerAt(partition) + Writer.job] !== Job.IDLE) return false
  return true
}

/** Forgets the cut of a former flush worker, whose writers are idle by now. Its images stay unwritten. */
function forgetCut(m: Model): void {
  const forget: Effect = (_m, s) => {
    s[Group.cut] = 0
  }
  const what = 'forgets the cut of its predecessor'
  runSection(m, FLUSH_WORKER, { what, block: -1, body: [forget], after: [endRound] })
}

/** Of a planned block: it has saved images, and is looked at again when the cut is known. */
const LAYERED = 255

/**
 * Makes the cut: the moment whose state the round writes. Three steps under the mutex, because releases without it may come
 * in between: what is dirty is listed, the epoch ends, the bound moves.
 */
function cut(m: Model): void {
  const choose: Effect = (_m, s) => {
    let chosen = s[Group.epoch]!
    if (m.mistake !== 'cutSpansClassChange')
      eachClassChange(m, s, (epoch) => {
        chosen = Math.min(chosen, epoch - 1)
      })
    if (chosen <= s[Group.done]!)
      m.fail(`PROGRESS a cut at ${chosen}, where ${s[Group.done]!} is done already`)
    s[Round.chosen] = chosen
    s[Round.spokeFor] = s[Group.epoch]!
    s[Round.phase] = Phase.CUT_EPOCH
    for (let block = 0; block < m.blocks; block++) {
      const at = blockAt(block)
      if (s[at + Block.listed] === 0) continue
      if (s[at + Block.saved] !== 0) s[at + Block.planned] = LAYERED
      else if (chosen === s[Group.epoch]) s[at + Block.planned] = s[at + Block.class]!
      else s[at + Block.planned] = classToWrite(m, s, block, chosen)
    }
  }
  const leavesPending = m.mistake === 'cutLeavesPending'
  runSection(m, FLUSH_WORKER, { what: 'cuts', block: -1, body: [choose], leavesPending, keepsMutex: true })
}

function cutEpoch(m: Model): void {
  const closeEpoch: Effect = (_m, s) => {
    if (s[Round.chosen] === s[Group.epoch]) s[Group.epoch]!++
    s[Round.phase] = Phase.CUT_BOUND
  }
  const what = 'ends the epoch of its cut'
  runSection(m, FLUSH_WORKER, { what, block: -1, body: [closeEpoch], leavesPending: true, keepsMutex: true })
}

function cutBound(m: Model): void {
  const chosen = m.now[Round.chosen]!
  const raiseBound: Effect = (_m, s) => {
    s[Group.bound] = Math.max(s[Group.bound]!, chosen)
  }
  const trim: Effect = (_m, s) => {
    for (let block = 0; block < m.blocks; block++) {
      trimSaved(m, s, block, chosen)
      s[blockAt(block) + Block.wasWritten] = 0
    }
  }
  const storeCut: Effect = (_m, s) => {
    s[Group.cut] = chosen
    s[Round.chosen] = 0
  }
  const plan: Effect = (_m, s) => {
    for (let block = 0; block < m.blocks; block++) {
      const at = blockAt(block)
      if (s[at + Block.planned] === LAYERED) s[at + Block.planned] = classToWrite(m, s, block, chosen)
      if (s[at + Block.planned] !== 0 && m.mistake === 'stagesAtOnce') s[at + Block.planned] = 1
    }
  }
  const body = [raiseBound, trim, storeCut, plan]
  const what = 'moves the bound to its cut'
  runSection(m, FLUSH_WORKER, { what, block: -1, body, after: [startStage], leavesPending: true })
}

/** Drops all images within the cut except the newest one, which tells that the cut needs the block. */
function trimSaved(m: Model, s: State, block: number, within: number): void {
  const written = imageToWrite(m, s, block, within)
  let isCovered = ownsWithin(s, block, within)
  dropSaved(s, block, (spare) => {
    if (s[spareAt(spare) + Spare.epoch]! > within) return false
    if (m.mistake === 'trimKeepsWhatIsWritten') return spare !== written
    if (isCovered) return true
    isCovered = true
    return false
  })
}

/** Gives the writers the blocks of the next class; a fenced partition fails at once. */
const startStage: Effect = (m, s) => {
  let stage = 0
  for (let block = 0; block < m.blocks; block++) {
    const planned = s[blockAt(block) + Block.planned]!
    if (planned !== 0 && (stage === 0 || planned < stage)) stage = planned
  }
  s[Round.stage] = stage
  s[Round.phase] = stage === 0 ? Phase.FINISHING : Phase.WRITING
  for (let partition = 0; partition < PARTITIONS; partition++) {
    let blocks = 0
    for (let block = 0; block < m.blocks; block++)
      if (
        stage !== 0 &&
        m.scenario.partitionOf[block] === partition &&
        s[blockAt(block) + Block.planned] === stage
      )
        blocks |= 1 << block
    const at = writerAt(partition)
    s.fill(0, at, at + Writer.size)
    if (blocks === 0) continue
    if (((s[Group.fenced]! >> partition) & 1) === 1) {
      s[at + Writer.result] = Result.FAILED
    } else {
      s[at + Writer.blocks] = blocks
      s[at + Writer.left] = blocks
      s[at + Writer.job] = Job.PICK
    }
  }
}

/** Marks durable blocks clean. A writer that did not report success has failed: its partition is fenced, and the round ends. */
function finishStage(m: Model): void {
  if (m.mistake === 'classClearedByPlainStore' && m.now[Round.phase] !== Phase.CLEANING) {
    const see: Effect = (_m, s) => {
      for (let block = 0; block < m.blocks; block++)
        s[blockAt(block) + Block.seenWithin] = ownsWithin(s, block, s[Group.cut]!) ? 1 : 0
      s[Round.phase] = Phase.CLEANING
    }
    runSection(m, FLUSH_WORKER, { what: 'reads the stamps', block: -1, body: [see], keepsMutex: true })
    return
  }
  const body: Effect[] = []
  let failed = 0
  for (let block = 0; block < m.blocks; block++) {
    if (m.now[blockAt(block) + Block.planned] !== m.now[Round.stage]) continue
    const partition = m.scenario.partitionOf[block]!
    if (m.now[writerAt(partition) + Writer.result] !== Result.OK) failed |= 1 << partition
    else
      body.push((_m, s) => {
        markClean(m, s, block)
      })
  }
  if (failed === 0) {
    runSection(m, FLUSH_WORKER, { what: 'marks clean', block: -1, body, after: [nextStage] })
    return
  }
  const fence: Effect = (_m, s) => {
    s[Group.fenced]! |= failed
  }
  body.push(fence, ...failRound)
  runSection(m, FLUSH_WORKER, { what: 'marks clean, fences', block: -1, body, after: [endRound] })
}

const nextStage: Effect = (m, s) => {
  for (let block = 0; block < m.blocks; block++)
    if (s[blockAt(block) + Block.planned] === s[Round.stage]) s[blockAt(block) + Block.planned] = 0
  startStage(m, s, -1, 0)
}

function markClean(m: Model, s: State, block: number): void {
  const at = blockAt(block)
  const within = s[Group.cut]!
  dropSaved(s, block, (spare) => s[spareAt(spare) + Spare.epoch]! <= within)
  const isWithin =
    m.mistake === 'classClearedByPlainStore' ? s[at + Block.seenWithin] === 1 : ownsWithin(s, block, within)
  if (isWithin || m.mistake === 'cleanWhateverTheStamp') s[at + Block.class] = 0
  // What it stands for is durable up to the cut, and there is nothing else up to the bound.
  if (s[Group.bound]! <= within || m.mistake === 'olderEndsWithAnyRound') s[at + Block.older] = 0
  if (s[at + Block.class] === 0) s[at + Block.listed] = 0
}

/** Forgets the cut and keeps the images. Requests beyond those that the round covered are not failed. */
const failRound: readonly Effect[] = [
  (_m, s) => {
    s[Group.cut] = 0
  },
  (_m, s) => {
    s[Group.failedTo] = s[Round.spokeFor]!
    if (s[Group.want]! <= s[Round.spokeFor]!) s[Group.want] = s[Group.done]!
    s[Group.failures]!++
  },
  (m, s) => {
    if (m.mistake === 'failedRoundDropsSaved') {
      for (let block = 0; block < m.blocks; block++)
        if (s[blockAt(block) + Block.class] !== 0) dropSaved(s, block, () => true)
    }
    const isByLastChange = m.mistake === 'failedRoundBoundsByLastChange'
    let bound = 0
    // An epoch that a later, vanished class change has closed stays closed while any class change is left.
    eachClassChange(m, s, (epoch) => {
      bound = isByLastChange ? Math.max(bound, epoch - 1) : s[Group.epoch]! - 1
    })
    s[Group.bound] = bound
  },
]

function finishRound(m: Model): void {
  const body: Effect[] = [
    (_m, s) => {
      for (let block = 0; block < m.blocks; block++)
        if (isUnwrittenWithin(s, block, s[Group.cut]!))
          m.fail(`UNWRITTEN block ${block} is unwritten when its round is done`)
      s[Group.done] = s[Group.cut]!
    },
    (_m, s) => {
      s[Group.cut] = 0
    },
  ]
  runSection(m, FLUSH_WORKER, { what: 'ends the round', block: -1, body, after: [endRound] })
}

const endRound: Effect = (m, s) => {
  s[Round.phase] = Phase.IDLE
  s[Round.stage] = 0
  s[Round.spokeFor] = 0
  s[Round.chosen] = 0
  for (let block = 0; block < m.blocks; block++) s[blockAt(block) + Block.planned] = 0
  for (let partition = 0; partition < PARTITIONS; partition++)
    s.fill(0, writerAt(partition), writerAt(partition) + Writer.size)
}
