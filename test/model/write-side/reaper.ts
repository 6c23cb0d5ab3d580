/**
 * The reaper, as in src/core/recovery/reaper.ts: the flush worker repairs what dead clients and writers leave. First the
 * mutex, then each frame that they had latched; then the slot is free. The reaper may die in the middle of this. Its
 * successor has the same slot, and first repairs the mutex and latches of its predecessor.
 */
import {
  applyUndo,
  clearUndo,
  commitEffects,
  type Effect,
  FIRST,
  pushStampedUndo,
  stampUndo,
} from './images.js'
import type { Model } from './model.js'
import { isDead } from './repair.js'
import { getsMutex, runSection } from './section.js'
import {
  Block,
  blockAt,
  Client,
  clientAt,
  CLIENTS,
  FLUSH_WORKER,
  Group,
  INTENT,
  Job,
  Life,
  PARTITIONS,
  Phase,
  Round,
  type State,
  Writer,
  writerAt,
  WRITERS,
} from './state.js'
import { restartJob } from './writer.js'

export function reaperSteps(m: Model): void {
  if (m.now[Round.phase] === Phase.DEAD) {
    succeed(m)
    return
  }
  const dead = firstDead(m.now)
  if (dead === 0) return
  const isPicky = m.mistake === 'firstDeadSlotOnly'
  // A section of its own, or of a living thread, comes to its end first.
  if (m.now[Group.mutex] === FLUSH_WORKER || !getsMutex(m, FLUSH_WORKER)) return
  if (m.now[Group.mutex] !== 0) {
    if (!isPicky || m.now[Group.mutex] === dead)
      runSection(m, FLUSH_WORKER, { what: 'repairs what it guards', block: -1, body: [] })
    return
  }
  for (let block = 0; block < m.blocks; block++) {
    const latch = m.now[blockAt(block) + Block.latch]!
    if (!isDead(m.now, latch)) continue
    reapFrame(m, block)
    return
  }
  const s = m.begin()
  if (dead > CLIENTS) {
    restartJob(m, s, dead - WRITERS)
  } else {
    s[clientAt(dead - 1) + Client.life] = Life.REAPED
    s.fill(0, clientAt(dead - 1) + Client.step, clientAt(dead - 1) + Client.size)
  }
  m.end(FLUSH_WORKER, `frees the slot of ${dead > CLIENTS ? `writer ${dead - WRITERS}` : `client ${dead}`}`)
}

/** A dead client or writer, 0 if all are alive. */
function firstDead(s: State): number {
  for (let client = 0; client < CLIENTS; client++)
    if (s[clientAt(client) + Client.life] === Life.DEAD) return client + 1
  for (let partition = 0; partition < PARTITIONS; partition++)
    if (s[writerAt(partition) + Writer.job] === Job.DEAD) return WRITERS + partition
  return 0
}

/** A new flush worker takes the slot of its predecessor. */
function succeed(m: Model): void {
  if (m.now[Group.mutex] === FLUSH_WORKER) {
    runSection(m, FLUSH_WORKER, { what: 'repairs what it guards', block: -1, body: [] })
    return
  }
  const s = m.begin()
  for (let block = 0; block < m.blocks; block++) {
    const latchAt = blockAt(block) + Block.latch
    if (s[latchAt] === FLUSH_WORKER && m.mistake !== 'successorKeepsLatches') s[latchAt] = 0
  }
  s[Round.phase] = Phase.NEW
  s[Round.stage] = 0
  m.end(FLUSH_WORKER, 'is replaced')
}

/**
 * Repairs a frame that a dead thread had latched exclusively. A release that it had pushed counts, and is settled first; a change
 * that it had not released or pushed does not, whatever `released` says.
 */
function reapFrame(m: Model, block: number): void {
  if (!getsMutex(m, FLUSH_WORKER)) return
  const at = blockAt(block)
  const body: Effect[] = []
  const isOnStack = m.now[Group.pending] !== 0
  if (isOnStack) {
    // Settling may have finished this frame: then nothing is left to do.
    runSection(m, FLUSH_WORKER, { what: 'settles before reaping', block, body: [] })
    return
  }
  if (m.now[at + Block.changing] === 0) {
    body.push(push, clear)
  } else if (m.now[at + Block.undo] === 0) {
    if (m.now[at + Block.class] !== 0) m.fail(`UNDO block ${block} is dirty and changing, and has no undo`)
    body.push(dropClean)
  } else if (m.now[at + Block.undo] === INTENT) {
    for (const effect of commitEffects(m))
      body.push((model, s, own) => {
        effect(model, s, own, FIRST)
      })
  } else {
    body.push(putBack(0), putBack(1), stamp, endChange, push, clear)
  }
  body.push(forgetReleased)
  runSection(m, FLUSH_WORKER, { what: 'reaps a frame', block, body, after: [unlatch] })
}

const putBack =
  (half: number): Effect =>
  (_m, s, block) => {
    applyUndo(s, block, half)
  }
const stamp: Effect = (m, s, block) => {
  stampUndo(m, s, block, 0, true)
}
const endChange: Effect = (_m, s, block) => {
  s[blockAt(block) + Block.changing] = 0
  s[blockAt(block) + Block.taken] = 0
}
const forgetReleased: Effect = (_m, s, block) => {
  s[blockAt(block) + Block.released] = 0
}
const push: Effect = (_m, s, block) => {
  pushStampedUndo(s, block)
}
const clear: Effect = (_m, s, block) => {
  clearUndo(s, block)
}
const unlatch: Effect = (_m, s, block) => {
  s[blockAt(block) + Block.latch] = 0
}

/** The contents of the frame are undefined; those of the disk are valid. */
const dropClean: Effect = (_m, s, block) => {
  const at = blockAt(block)
  s[at + Block.absent] = 1
  s[at + Block.changing] = 0
  s[at + Block.half] = 0
  s[at + Block.half2] = 0
  s[at + Block.epoch] = 0
}

/** Whether the actor has latched anything. */
export function hasLatched(m: Model, actor: number): boolean {
  for (let block = 0; block < m.blocks; block++)
    if (m.now[blockAt(block) + Block.latch] === actor) return true
  return false
}
