/**
 * Statistics: sums over the slots, and a scan of the frames. Plain reads, concurrently with other threads: each number is
 * true of some moment, but not all of the same one.
 */
import { load } from '#atomics'
import type { CacheStats } from '../../shared/reports.js'
import { pinsOf, writerOf } from '../../shared/latch.js'
import { STALL_BUCKETS, summarizeStalls } from '../../shared/stalls.js'
import type { Context } from '../context.js'
import { freeSpares } from '../changes/spares.js'
import {
  Counter,
  type CounterName,
  Frame,
  Group,
  Header,
  Slot,
  SlotState,
  State,
} from '../../shared/words.js'

/** Any thread; takes no lock. */
export function stats(context: Context): CacheStats {
  const { arena, words } = context
  const { geometry } = arena
  const sum = (name: CounterName): number => {
    let total = 0
    for (let slot = 0; slot < geometry.slots; slot++)
      total += arena.counters[arena.countersAt(slot) + Counter[name]]!
    return total
  }
  const allGroups = (count: (group: number) => number): number => {
    let total = 0
    for (let group = 0; group < geometry.groups; group++) total += count(group)
    return total
  }
  const groups = (field: number): number => allGroups((group) => words[arena.groupAt(group) + field]! >>> 0)
  return {
    lookups: sum('hits') + sum('misses'),
    hits: sum('hits'),
    misses: sum('misses'),
    reads: sum('hits') + sum('misses') - sum('overwrites'),
    writes: sum('writes'),
    size: geometry.blocks,
    dirty: groups(Group.dirty),
    flushes: sum('flushes'),
    stalls: sum('frameStalls'),
    lookupTimeMs: sum('lookupTimeMs'),
    blockStalls: sum('latchStalls'),
    diskReads: sum('diskReads'),
    diskReadBytes: sum('diskReadBytes'),
    diskWrites: sum('diskWrites'),
    diskWriteBytes: sum('diskWriteBytes'),
    rounds: groups(Group.rounds),
    failedRounds: groups(Group.failures),
    evictions: sum('evictions'),
    prefetch: {
      loaded: sum('prefetched'),
      dropped: sum('prefetchDropped'),
      unused: sum('prefetchUnused'),
    },
    blocks: countFrames(context),
    spares: {
      free: allGroups((group) => freeSpares(context, group)),
      total: geometry.spares + groups(Group.lent),
    },
    waits: {
      frame: sum('frameStalls'),
      latch: sum('latchStalls'),
      dirtyLimit: sum('dirtyStalls'),
      spare: sum('spareStalls'),
      mutex: sum('mutexStalls'),
      timeMs: sum('stallTimeMs'),
    },
    writerStalls: summarizeStalls(stallBuckets(context)),
    threads: liveSlots(context).length,
  }
}

function stallBuckets({ words, arena }: Context): number[] {
  const sum = new Array<number>(STALL_BUCKETS).fill(0)
  for (let i = 0; i < arena.geometry.slots * STALL_BUCKETS; i++)
    sum[i % STALL_BUCKETS]! += words[arena.stallsAt + i]! >>> 0
  return sum
}

function countFrames(context: Context): CacheStats['blocks'] {
  const { words, arena } = context
  const blocks = { free: words[Header.freeCount]!, clean: 0, dirty: 0, absent: 0, held: 0 }
  for (let frame = 0; frame < arena.geometry.blocks; frame++) {
    const at = arena.frameAt(frame)
    const latch = words[at + Frame.latch]!
    if (pinsOf(latch) > 0 || writerOf(latch) >= 0) blocks.held++
    if (words[at + Frame.keyHigh] === 0) continue
    const state = words[at + Frame.state]!
    if ((state & State.CLASS_MASK) !== 0) blocks.dirty++
    else if ((state & State.ABSENT) !== 0) blocks.absent++
    else blocks.clean++
  }
  return blocks
}

/** The slots that are not FREE: in use, or of threads that have ended and are not recovered yet. */
export function liveSlots(context: Context): number[] {
  const { words, arena } = context
  return Array.from({ length: arena.geometry.slots }, (_, slot) => slot).filter(
    (slot) => load(words, arena.slotAt(slot) + Slot.state) !== SlotState.FREE,
  )
}
