/**
 * How many frames are in each state, and how many blocks of each partition they hold, for `stats`. Without locks, so each frame is
 * as it was at some moment.
 *
 * Up to SAMPLE frames are looked at one by one. Of a larger pool as many are looked at: one of each of SAMPLE runs of frames, at a
 * random place in its run, so that no pattern in the pool meets the pattern of the looks. Only what no counter says is taken from
 * them:
 *
 *   free, dirty, lent   counters of the free list, of the groups and of their loans
 *   held                the guards of all threads (`countGuards`)
 *   absent              of the frames that are left, the part that was absent among those looked at
 *   clean               the rest, so the sum is right
 *   cached              the clean ones, divided as they were among those looked at, and the dirty ones, which are counted
 *
 * The error of a part has a standard deviation of at most 0.14 % of the pool, and less if the parts are unequal.
 */
import { load } from '#atomics'
import { partitionIn } from '../../shared/key.js'
import { GUARDS_MAX } from '../../shared/layout.js'
import { pinsOf, writerOf } from '../../shared/latch.js'
import type { CacheStats } from '../../shared/reports.js'
import type { Context } from '../context.js'
import { liveSlots } from './threads.js'
import { Frame, Group, Header, Journal, Partition, Slot, State } from '../../shared/words.js'

/** The most frames that one call looks at; this takes some milliseconds if they are not in the processor's caches. */
export const SAMPLE = 131_072

export interface FrameCounts {
  readonly byState: CacheStats['blocks']
  /** Blocks that are cached, by the number of their partition. */
  readonly cached: ArrayLike<number>
}

export function countFrames(context: Context): FrameCounts {
  return context.arena.frames <= SAMPLE ? countAll(context) : estimate(context)
}

function countAll({ words, arena }: Context): FrameCounts {
  const cached = new Uint32Array(arena.geometry.partitions)
  const byState = { free: words[Header.freeCount]!, clean: 0, dirty: 0, absent: 0, held: 0 }
  for (let frame = 0; frame < arena.frames; frame++) {
    const at = arena.frameAt(frame)
    const latch = words[at + Frame.latch]!
    if (pinsOf(latch) > 0 || writerOf(latch) >= 0) byState.held++
    const keyHigh = words[at + Frame.keyHigh]!
    if (keyHigh === 0) continue
    const state = words[at + Frame.state]!
    if ((state & State.ABSENT) === 0) cached[partitionIn(keyHigh)]!++
    if ((state & State.CLASS_MASK) !== 0) byState.dirty++
    else if ((state & State.ABSENT) !== 0) byState.absent++
    else byState.clean++
  }
  return { byState, cached }
}

function estimate(context: Context): FrameCounts {
  const { words, arena } = context
  const { groups, partitions } = arena.geometry
  const { absent: absentSeen, clean: cleanSeen, of } = look(context)
  let [dirty, lent] = [0, 0]
  for (let group = 0; group < groups; group++) {
    dirty += words[arena.groupAt(group) + Group.dirty]!
    lent += words[arena.groupAt(group) + Group.lent]!
  }
  const free = words[Header.freeCount]!
  // The counters are read one after the other, so their sum may be past the end for a moment.
  const left = Math.max(0, arena.frames - free - dirty - lent)
  const absent = absentSeen === 0 ? 0 : Math.round((left * absentSeen) / (absentSeen + cleanSeen))
  const clean = left - absent
  // Without a single look at a clean block: they can only be those of the only partition.
  const open = context.partitions.all()
  if (cleanSeen === 0 && open.length === 1) of[open[0]!.index] = 1
  const seen = Math.max(1, cleanSeen)
  const cached = new Uint32Array(partitions)
  // Rounded as sums, so that the parts together are `clean`.
  let before = 0
  for (let partition = 0; partition < partitions; partition++) {
    const until = before + of[partition]!
    cached[partition] =
      Math.round((clean * until) / seen) -
      Math.round((clean * before) / seen) +
      words[arena.partitionAt(partition) + Partition.dirty]!
    before = until
  }
  return { byState: { free, clean, dirty, absent, held: countGuards(context) }, cached }
}

/** Looks at SAMPLE frames: how many have an absent or a clean block, and of which partitions the clean ones are. */
function look({ words, arena }: Context): { absent: number; clean: number; of: Uint32Array } {
  const of = new Uint32Array(arena.geometry.partitions)
  let [absent, clean] = [0, 0]
  const run = arena.frames / SAMPLE
  // Xorshift (Marsaglia, 2003), which costs less than Math.random.
  let random = Math.floor(Math.random() * 2 ** 31) + 1
  for (let i = 0; i < SAMPLE; i++) {
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    // A run may begin within a frame, so that all runs are equally long, and all frames are as likely to be met.
    const at = arena.frameAt(Math.floor((i + (random >>> 0) / 2 ** 32) * run))
    const keyHigh = words[at + Frame.keyHigh]!
    const state = words[at + Frame.state]!
    if (keyHigh === 0 || (state & State.CLASS_MASK) !== 0) continue
    if ((state & State.ABSENT) !== 0) absent++
    else {
      clean++
      of[partitionIn(keyHigh)]!++
    }
  }
  return { absent, clean, of }
}

/**
 * How many blocks are held, from the slots: those that are pinned, from the journals, and the guards that have no pin there, which
 * are exclusive. A call that is about to get its block may be counted too. Costs a look at each journal.
 */
function countGuards(context: Context): number {
  const { words, arena } = context
  const pinned = new Set<number>()
  let exclusive = 0
  for (const slot of liveSlots(context)) {
    const journalAt = arena.journalAt(slot)
    let pins = 0
    for (let at = journalAt; at < journalAt + GUARDS_MAX; at++) {
      const entry = words[at]!
      if ((entry & 3) === Journal.FREE) continue
      pins++
      if ((entry & 3) === Journal.HELD) pinned.add(entry >>> 2)
    }
    exclusive += Math.max(0, load(words, arena.slotAt(slot) + Slot.guards) - pins)
  }
  return pinned.size + exclusive
}
