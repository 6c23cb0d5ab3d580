/**
 * What every simulated victim policy offers, and its runs over a trace. A simulator holds no data, only the decision which blocks
 * are cached. It is deterministic.
 */
import type { Trace } from './trace.js'

export interface Simulator {
  /** Accesses a block, by its number in the trace. Calls must follow the trace. Returns whether the block was cached. */
  access(id: number): boolean
  /** Called after the last access. @throws if the simulator finds that its state is inconsistent */
  finish?(): void
}

/** Makes a simulator of a cache of this many blocks, at least 1, which is empty. */
export type MakeSimulator = (trace: Trace, blocks: number) => Simulator

/** The hits in each of `parts` parts of the trace, which are equal up to one access. */
export function hitsByPart(make: MakeSimulator, trace: Trace, blocks: number, parts: number): number[] {
  const simulator = make(trace, blocks)
  const { ids } = trace
  const counts = Array.from({ length: parts }, (_, part) => {
    const end = Math.floor(((part + 1) * ids.length) / parts)
    let hits = 0
    for (let i = Math.floor((part * ids.length) / parts); i < end; i++) if (simulator.access(ids[i]!)) hits++
    return hits
  })
  simulator.finish?.()
  return counts
}

/** The hits of the whole trace. */
export const hitsIn = (make: MakeSimulator, trace: Trace, blocks: number): number =>
  hitsByPart(make, trace, blocks, 1)[0]!
