/**
 * A partition's writer, as in src/core/write-back/writer.ts: for each block of its job it chooses the unwritten image under
 * the mutex and writes it outside the mutex, in two halves; then one fsync. Writes and fsyncs may fail, and the writer may
 * die.
 */
import { isReleasedImage } from './history.js'
import { type Effect, imageToWrite, OWN } from './images.js'
import type { Model } from './model.js'
import { runSection } from './section.js'
import {
  Block,
  blockAt,
  Budget,
  FROM_COPY,
  FROM_FRAME,
  Group,
  INTENT,
  Job,
  Result,
  Spare,
  spareAt,
  type State,
  WHOLE,
  Writer,
  writerAt,
  WRITERS,
} from './state.js'

export function writerSteps(m: Model, partition: number): void {
  const at = writerAt(partition)
  const job = m.now[at + Writer.job]!
  if (job === Job.IDLE || job === Job.DEAD) return
  if (m.now[Budget.writerDeaths]! > 0) {
    const s = m.begin()
    s[Budget.writerDeaths]!--
    s[at + Writer.job] = Job.DEAD
    m.end(WRITERS + partition, 'dies')
  }
  if (job === Job.PICK) pick(m, partition)
  else if (job === Job.COPY_FIRST || job === Job.COPY_SECOND) copyUndo(m, partition)
  else if (job === Job.SYNC) sync(m, partition)
  else write(m, partition, job === Job.FIRST_HALF ? 0 : 1)
}

/** Repeats the whole job and never only the fsync: what the dead writer had written is unknown. */
export function restartJob(m: Model, s: State, partition: number): void {
  const at = writerAt(partition)
  unpin(s, at)
  s[at + Writer.left] = m.mistake === 'onlyFsyncRepeated' ? 0 : s[at + Writer.blocks]!
  s[at + Writer.job] = s[at + Writer.left] === 0 ? Job.SYNC : Job.PICK
}

function unpin(s: State, at: number): void {
  if (s[at + Writer.source] === FROM_FRAME) s[blockAt(s[at + Writer.block]!) + Block.pins] = 0
  s[at + Writer.source] = 0
  s[at + Writer.copied] = 0
  s[at + Writer.copied2] = 0
  s[at + Writer.wrote] = 0
  s[at + Writer.block] = 0
}

/** The next block that is not busy. */
function pick(m: Model, partition: number): void {
  if (m.now[Group.mutex] !== 0) return
  const left = m.now[writerAt(partition) + Writer.left]!
  for (let block = 0; block < m.blocks; block++) {
    if (((left >> block) & 1) === 0 || isBusy(m, block)) continue
    const choose: Effect = (_m, s) => chooseSource(m, s, partition, block)
    // Settling may end the change: what the writer takes is known after that.
    const isSettled = m.now[Group.pending] === 0
    const what = isSettled ? 'chooses the image' : 'settles before it chooses'
    const keepsMutex = isSettled && takesUndo(m, block)
    runSection(m, WRITERS + partition, { what, block, body: isSettled ? [choose] : [], keepsMutex })
    return
  }
}

/** Whether the writer copies the undo of the block, in a section of several steps. */
const takesUndo = (m: Model, block: number): boolean =>
  imageToWrite(m, m.now, block, m.now[Group.cut]!) === OWN &&
  m.now[blockAt(block) + Block.changing] === 1 &&
  m.mistake !== 'undoReadOutsideTheMutex'

/**
 * A block that is latched and unwritten in its own frame, and another thread is copying its image, or new contents without an
 * image.
 */
function isBusy(m: Model, block: number): boolean {
  const at = blockAt(block)
  return (
    m.now[Group.pending] === 0 &&
    imageToWrite(m, m.now, block, m.now[Group.cut]!) === OWN &&
    m.now[at + Block.latch] !== 0 &&
    (m.now[at + Block.changing] === 0 || m.now[at + Block.undo] === INTENT) &&
    !(m.mistake === 'undoBecauseLatched' && m.now[at + Block.undo] !== 0)
  )
}

function chooseSource(m: Model, s: State, partition: number, block: number): void {
  const at = writerAt(partition)
  const frame = blockAt(block)
  const within = s[Group.cut]!
  let source = imageToWrite(m, s, block, within)
  if (source !== OWN) {
    // A saved image, or nothing.
  } else if (
    s[frame + Block.changing] === 1 ||
    (m.mistake === 'undoBecauseLatched' && s[frame + Block.undo] !== 0)
  ) {
    source = s[frame + Block.undo]!
    if (source === 0) {
      m.fail(`UNDO block ${block} is unwritten and changing, and has no undo`)
      return
    }
    if (source === INTENT) return
    if (m.mistake !== 'undoReadOutsideTheMutex') {
      if (m.mistake !== 'undoCopiedWithoutTaken') s[frame + Block.taken] = 1
      s[at + Writer.block] = block
      s[at + Writer.source] = source
      s[at + Writer.job] = Job.COPY_FIRST
      return
    }
  } else if (s[frame + Block.latch] === 0) {
    source = FROM_FRAME
    s[frame + Block.pins] = 1
  } else {
    return
  }
  s[at + Writer.block] = block
  s[at + Writer.source] = source
  if (source === 0) blockDone(s, at)
  else s[at + Writer.job] = Job.FIRST_HALF
}

/** Copies one half of the undo that it has taken; a declared range is completed from the frame. @requires the mutex */
function copyUndo(m: Model, partition: number): void {
  const at = writerAt(partition)
  const block = m.now[at + Writer.block]!
  const isFirst = m.now[at + Writer.job] === Job.COPY_FIRST
  const half = isFirst ? 0 : 1
  const s = m.begin()
  const spare = spareAt(s[at + Writer.source]!)
  const range = s[spare + Spare.range]!
  const isInUndo = range === WHOLE || range === 1 + half || m.mistake === 'declaredRangeNotComposed'
  s[at + Writer.copied + half] = s[(isInUndo ? spare + Spare.half : blockAt(block) + Block.half) + half]!
  s[at + Writer.job] = isFirst ? Job.COPY_SECOND : Job.FIRST_HALF
  if (!isFirst) {
    s[at + Writer.source] = FROM_COPY
    s[Group.mutex] = 0
  }
  m.end(WRITERS + partition, `copies half ${half} of the undo`, block)
}

function blockDone(s: State, at: number): void {
  s[at + Writer.left]! &= ~(1 << s[at + Writer.block]!)
  unpin(s, at)
  s[at + Writer.job] = s[at + Writer.left] === 0 ? Job.SYNC : Job.PICK
}

/** Writes one half to the system: the disk has the former version or this one from now on. */
function write(m: Model, partition: number, half: number): void {
  const at = writerAt(partition)
  const block = m.now[at + Writer.block]!
  const frame = blockAt(block)
  if (m.now[Budget.failedWrites]! > 0) {
    const s = m.begin()
    s[Budget.failedWrites]!--
    unpin(s, at)
    s[at + Writer.left] = 0
    s[at + Writer.result] = Result.FAILED
    s[at + Writer.job] = Job.IDLE
    m.end(WRITERS + partition, `fails to write half ${half}`, block)
  }
  const s = m.begin()
  const bytes = sourceBytes(m, s, at, half)
  if (bytes > s[frame + Block.committed]!) m.fail(`UNRELEASED bytes of block ${block} are written`)
  if (
    half === 1 &&
    !isReleasedImage(s, block, s[at + Writer.wrote]!, bytes) &&
    s[frame + Block.forgotten] === 0
  )
    m.fail(`TORN image of block ${block} is written: ${s[at + Writer.wrote]!} and ${bytes}`)
  s[frame + Block.possible + half]! |= 1 << bytes
  s[frame + Block.cached + half] = bytes
  s[frame + Block.unsynced + half] = 1
  s[at + Writer.wrote] = bytes
  if (half === 0) {
    s[at + Writer.job] = Job.SECOND_HALF
  } else {
    s[frame + Block.wasWritten] = 1
    blockDone(s, at)
  }
  m.end(WRITERS + partition, half === 0 ? 'writes the first half' : 'writes the second half', block)
}

function sourceBytes(m: Model, s: State, at: number, half: number): number {
  const source = s[at + Writer.source]!
  if (source === FROM_FRAME) return s[blockAt(s[at + Writer.block]!) + Block.half + half]!
  if (source === FROM_COPY) return s[at + Writer.copied + half]!
  if (s[spareAt(source) + Spare.free] === 1) m.fail('FREED a free spare is written')
  return s[spareAt(source) + Spare.half + half]!
}

/** After a failure the system marks its pages clean: a later fsync does not write them again. */
function sync(m: Model, partition: number): void {
  const at = writerAt(partition)
  const finish = (result: number, what: string) => {
    const s = m.begin()
    if (result === Result.FAILED) s[Budget.failedSyncs]!--
    for (let block = 0; block < m.blocks; block++) {
      if (m.scenario.partitionOf[block] !== partition) continue
      const frame = blockAt(block)
      for (let half = 0; half < 2; half++) {
        if (s[frame + Block.unsynced + half] === 1 && result === Result.OK)
          s[frame + Block.possible + half] = 1 << s[frame + Block.cached + half]!
        s[frame + Block.unsynced + half] = 0
      }
    }
    const blocks = s[at + Writer.blocks]!
    s.fill(0, at, at + Writer.size)
    s[at + Writer.blocks] = blocks
    s[at + Writer.result] = m.mistake === 'failedSyncIgnored' ? Result.OK : result
    m.end(WRITERS + partition, what)
  }
  finish(Result.OK, 'fsyncs')
  if (m.now[Budget.failedSyncs]! > 0) finish(Result.FAILED, 'fails to fsync')
}
