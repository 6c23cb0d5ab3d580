/**
 * The cut of a round that writes a record (decision D78), in a group with a journal: which images it has, where the record goes, and
 * what becomes of them when it is durable. Used by the flush worker (record-round.ts) and by a thread that leads a round (leader.ts).
 *
 * When the record is durable, first `concludeRecord` says so, then the blocks get the class PLACE, then `done` moves. After a death
 * between these steps the next cut finishes them (`finishMarking`).
 */
import { compareExchange, load, store } from '#atomics'
import { planRecord, type RecordContents, type RecordPartition } from '../journal/record.js'
import { beginRecord, concludeRecord, nextPlace, noteCut, recordedTo, setPlace } from '../journal/place.js'
import { placeFor } from '../journal/recover.js'
import { blocksIn } from '../../shared/partition-record.js'
import {
  classOf,
  epochOf,
  isAfter,
  isUnwritten,
  PLACE_CLASS,
  previousEpoch,
  RECORD_CLASS,
} from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { blockOf, type Context, partitionOf } from '../context.js'
import { dirtyFrames, relinkDirty } from '../changes/dirty-lists.js'
import { dropSaved, imageStamps } from '../changes/images.js'
import { noteArrivals, noteTogether } from '../changes/gather.js'
import { isOwed } from '../changes/recorded.js'
import { finishAll } from '../changes/through.js'
import { addLayered, beginCut, type Cut, listUnwritten } from './cut.js'
import { Fence, Frame, Group, Partition, Records, Spare, State } from '../../shared/words.js'

export interface RecordCut extends Cut {
  /** Undefined without frames. */
  readonly contents: RecordContents | undefined
  /** No record follows before the owner has erased the journal. */
  readonly isLast: boolean
}

/**
 * Begins the cut of a record; undefined if it has more blocks than `blocksMax`, if no record may begin, or if it has to wait until
 * the other half of the journal is free. `leader`: the thread that leads the round, its slot plus one. A cut without frames needs no
 * record.
 * @requires round mutex, that no round is under way
 */
export function beginRecordCut(
  context: Context,
  group: number,
  blocksMax = Infinity,
  leader?: number,
): RecordCut | undefined {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  const spokeFor = words[at + Group.epoch]!
  finishMarking(context, group)
  if (words[at + Group.stopped] === Records.STOPPED || hasMore(context, group, blocksMax)) return undefined
  let number = spokeFor
  let list = listRecord(context, group, number)
  if ((list.contents?.plan.bytes ?? 0) > context.journals[group]!.halfBytes) {
    // An epoch ends before it has too many blocks (changes/recorded.ts).
    number = oldestEpoch(context, group)
    list = listRecord(context, group, number)
  }
  if (list.contents && !beginPlace(context, group, list.contents.plan.bytes, number)) return undefined
  const isLast = words[at + Group.stopped] === Records.LAST && number === spokeFor
  if (isLast) {
    // The images of this cut and of those before it are kept until they are in place.
    words[at + Group.owedTo] = number
    words[at + Group.owes] = 1
  }
  // The leader first: a cut without one is the flush worker's.
  if (leader !== undefined) store(words, at + Group.leader, leader)
  beginCut(context, group, number)
  noteArrivals(context, group)
  const { frames, jobs, contents } = list
  return { number, spokeFor, frames, jobs, contents, isLast }
}

/** Whether more blocks than `most` have to be recorded. @requires round mutex */
function hasMore({ words, arena }: Context, group: number, most: number): boolean {
  let count = 0
  for (
    let link = words[arena.groupAt(group) + Group.dirtyHeads + RECORD_CLASS - 1]!;
    link > 0 && count <= most;
    link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
  )
    count++
  return count > most
}

/** The frames of a cut, those of the largest blocks first, so that a record has no gaps. @requires round mutex */
function listRecord(
  context: Context,
  group: number,
  cut: number,
): Pick<RecordCut, 'frames' | 'jobs' | 'contents'> {
  const { frames, jobs } = largestFirst(context, listSorted(context, group, cut))
  return { frames, jobs, contents: frames.length === 0 ? undefined : contentsOf(context, frames) }
}

/** By partition and block. @requires round mutex */
function listSorted(context: Context, group: number, cut: number): Pick<Cut, 'frames' | 'jobs'> {
  const { unwritten, layered } = listUnwritten(context, group, RECORD_CLASS)
  unwritten.keep((stamp) => isUnwritten(stamp, cut))
  addLayered(context, group, cut, layered, unwritten, RECORD_CLASS)
  return unwritten.sorted()
}

function largestFirst(context: Context, sorted: Pick<Cut, 'frames' | 'jobs'>): Pick<Cut, 'frames' | 'jobs'> {
  if (sorted.jobs.length < 2) return sorted
  const sizeOf = (partition: number) => context.partitions.at(partition).blockSize
  const jobs = [...sorted.jobs].sort((a, b) => sizeOf(b.partition) - sizeOf(a.partition))
  const frames = new Int32Array(sorted.frames.length)
  let start = 0
  return {
    frames,
    jobs: jobs.map((job) => {
      const end = start + job.end - job.start
      frames.set(sorted.frames.subarray(job.start, job.end), start)
      const moved = { ...job, start, end }
      start = end
      return moved
    }),
  }
}

/** The oldest epoch that has images without a record. @requires round mutex */
function oldestEpoch(context: Context, group: number): number {
  let oldest = context.words[context.arena.groupAt(group) + Group.epoch]!
  for (const frame of dirtyFrames(context, group, RECORD_CLASS))
    for (const stamp of imageStamps(context, frame))
      if (classOf(stamp) === RECORD_CLASS && isAfter(oldest, epochOf(stamp))) oldest = epochOf(stamp)
  return oldest
}

/** What the record of these frames has. @requires that they keep their blocks, and that those of a partition are in one piece */
export function contentsOf(context: Context, frames: Int32Array): RecordContents {
  const { words, arena } = context
  const partitions: RecordPartition[] = []
  const keys = { partitions: new Uint16Array(frames.length), blocks: new Float64Array(frames.length) }
  let last = -1
  for (let i = 0; i < frames.length; i++) {
    const at = arena.frameAt(frames[i]!)
    const partition = partitionOf(words, at)
    if (partition !== last) {
      const { name, blockSize, offset, isMarked } = context.partitions.at(partition)
      partitions.push({ name, blockSize, blocks: blocksIn(arena, partition), offset, isMarked })
      last = partition
    }
    keys.partitions[i] = partitions.length - 1
    keys.blocks[i] = blockOf(words, at)
  }
  return { partitions, keys, plan: planRecord(partitions, keys) }
}

/**
 * Chooses where the record goes; false if it has to wait. Another half is begun at once, so that a record that fails is tried again in
 * the same half. From then on the blocks of the older half are written in place (record-round.ts), and changes of them keep
 * their images. @requires round mutex
 */
function beginPlace(context: Context, group: number, bytes: number, cut: number): boolean {
  const { words, arena } = context
  const at = arena.groupAt(group)
  const journal = context.journals[group]!
  const next = nextPlace(context, group)
  const place = placeFor(next, bytes, journal)
  if (place !== next) {
    if (words[at + Group.owes] === 1) return false
    // All recorded images have an earlier epoch than the present one.
    words[at + Group.owedTo] = previousEpoch(words[at + Group.epoch]!)
    words[at + Group.owes] = 1
    setPlace(arena, group, place)
    context.bellDue = true
  }
  beginRecord(context, group, nextPlace(context, group), bytes, cut)
  return true
}

/** The record of a cut is durable, if it needed one; its blocks are marked next. @requires round mutex */
export function concludeWriting(context: Context, group: number, cut: RecordCut): void {
  if (cut.frames.length > 0) concludeRecord(context, group)
  else noteCut(context, group, cut.number)
}

/**
 * Marks blocks that are in a durable record with everything up to `cut`: they wait to be written in place.
 * @requires round mutex, concludeWriting
 */
export function markRecorded(
  context: Context,
  group: number,
  frames: Iterable<FrameIndex>,
  cut: number,
): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const isRecorded = (stamp: number) => classOf(stamp) === RECORD_CLASS && isUnwritten(stamp, cut)
  // An image that was kept until the block's next record was durable. While blocks are written in place, a writer may be reading it.
  const isPlacing = words[arena.groupAt(group) + Group.partialCut] !== 0
  const isSuperseded = (stamp: number) =>
    !isPlacing && classOf(stamp) === PLACE_CLASS && !isOwed(context, group, stamp)
  for (const frame of frames) {
    const at = arena.frameAt(frame)
    if (words[at + Frame.saved] !== 0) {
      keepOwed(context, group, frame, isRecorded)
      dropSaved(context, group, frame, (stamp) => isRecorded(stamp) || isSuperseded(stamp))
    }
    for (;;) {
      const state = load(words, at + Frame.state)
      if (!isRecorded(state)) break
      const next = (state & ~State.CLASS_MASK) | (PLACE_CLASS << State.CLASS_SHIFT)
      if (compareExchange(words, at + Frame.state, state, next) !== state) continue
      relinkDirty(context, group, frame)
      break
    }
  }
}

/** Ends what a thread began that died after its record was durable. @requires round mutex, that no record is being written */
function finishMarking(context: Context, group: number): void {
  const recorded = recordedTo(context, group)
  if (!isAfter(recorded, context.words[context.arena.groupAt(group) + Group.done]!)) return
  markRecorded(context, group, dirtyFrames(context, group, RECORD_CLASS), recorded)
  finishAll(context, group, recorded)
  // The threads that waited for the round that its thread did not end.
  context.rounds[group]!.broadcast()
}

/** Of saved images, those that must also be written in place. */
function keepOwed(
  context: Context,
  group: number,
  frame: FrameIndex,
  isRecorded: (stamp: number) => boolean,
): void {
  const { words, arena } = context
  let link = words[arena.frameAt(frame) + Frame.saved]!
  for (; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) {
    const stampAt = arena.spareAt(link - 1) + Spare.stamp
    const stamp = words[stampAt]!
    if (isRecorded(stamp) && isOwed(context, group, stamp))
      words[stampAt] = (stamp & ~State.CLASS_MASK) | (PLACE_CLASS << State.CLASS_SHIFT)
  }
}

/** Ends a round whose record is durable, and all of whose blocks are marked. The caller broadcasts. @requires round mutex */
export function concludeRecordRound(context: Context, group: number, cut: RecordCut): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  finishAll(context, group, cut.number)
  store(words, at + Group.cut, 0)
  words[at + Group.rounds]!++
  noteTogether(context, group)
  // The owner may have given up in the meantime.
  if (cut.isLast && words[at + Group.stopped] === Records.LAST)
    store(words, at + Group.stopped, Records.STOPPED)
}

/** Ends a failed round: its images stay as they are. The caller broadcasts. @requires round mutex */
export function failRecordRound(context: Context, group: number, spokeFor: number): void {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  // The bound stays: if the next cut is too large for a record, it ends where this one did.
  store(words, at + Group.cut, 0)
  context.rounds[group]!.fail(spokeFor)
  words[at + Group.rounds]!++
}

/** Whether a partition of the group has this fence. As of a moment ago, unless the thread has the round mutex. */
export function hasFence({ words, arena, partitions }: Context, group: number, fence: Fence): boolean {
  return (
    load(words, arena.groupAt(group) + Group.fences) !== 0 &&
    partitions
      .ofGroup(group)
      .some(({ index }) => load(words, arena.partitionAt(index) + Partition.fenced) === fence)
  )
}

/** A cut of what is written in place. */
export interface PlaceCut extends Cut {
  /** Whether it has all that could be written; not if a partition is fenced. */
  readonly isAll: boolean
}

/**
 * The cut of what is written in place: the newest recorded image of each block, unless the block was changed since and the image was
 * not kept; without the partitions that are fenced. @requires round mutex
 */
export function placeCut(context: Context, group: number): PlaceCut {
  context.roundMutexes[group]!.assertHeld(context.slot.index)
  const { words, arena } = context
  const at = arena.groupAt(group)
  if (words[at + Group.cut] === 0) finishMarking(context, group)
  const number = words[at + Group.done]!
  const { unwritten, layered } = listUnwritten(context, group)
  unwritten.keep((stamp) => isUnwritten(stamp, number))
  addLayered(context, group, number, layered, unwritten)
  const { frames, jobs } = unwritten.sorted()
  const open = jobs.filter(
    ({ partition }) => words[arena.partitionAt(partition) + Partition.fenced] !== Fence.FENCED,
  )
  return { number, spokeFor: number, frames, jobs: open, isAll: open.length === jobs.length }
}
