/**
 * One sample of a cache: its statistics, what each thread holds and waits for, and what write-back did. Costs a look at every frame,
 * in slices of 2 ms, and one at every thread's journal, without locks, on the calling thread.
 */
import type { CacheClient } from '../shared/interface.js'
import type { Holder, ThreadInfo } from '../shared/reports.js'
import type { MonitorSample, MonitorThread } from './protocol.js'
import { spansOf } from './spans.js'

/** The most holds and waits of a thread that a sample has: a thread may have hundreds. */
const SHOWN_MAX = 16

export async function sampleOf(cache: CacheClient, name: string): Promise<MonitorSample> {
  const holders = await cache.holdersInSteps()
  const stats = cache.stats()
  const spans = spansOf(cache, stats)
  return {
    version: 1,
    timeMs: Date.now(),
    pid: process.pid,
    name,
    stats,
    threads: threadsOf(cache.threads(), holders),
    ...(spans && { spans }),
  }
}

/** What a thread holds that attached between the looks appears in the next sample. */
function threadsOf(threads: readonly ThreadInfo[], holders: readonly Holder[]): MonitorThread[] {
  const bySlot = new Map(threads.map(({ slot }) => [slot, { holds: [] as Holder[], waits: [] as Holder[] }]))
  for (const holder of holders) bySlot.get(holder.slot)?.[holder.what].push(holder)
  return threads.map((thread) => {
    const { holds, waits } = bySlot.get(thread.slot)!
    return {
      ...thread,
      holds: holds.slice(0, SHOWN_MAX).map(thingOf),
      holdCount: holds.length,
      // Those of a cycle first: they are what a viewer looks for.
      waits: [...waits]
        .sort((a, b) => Math.min(1, b.cycle.length) - Math.min(1, a.cycle.length))
        .slice(0, SHOWN_MAX)
        .map((wait) => ({ ...thingOf(wait), heldBy: wait.heldBy, cycle: wait.cycle })),
      waitCount: waits.length,
    }
  })
}

const thingOf = ({ mode, partition, block, sinceMs }: Holder) => ({ mode, partition, block, sinceMs })
