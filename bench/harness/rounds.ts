/**
 * The method: every variant in every round, one after the other, in an order that is reversed from round to round. What
 * is compared was measured within a moment of each other, and what disturbs the machine disturbs all of them.
 */
import type { Crew } from './crew.js'
import type { LaneResult } from './task.js'

export interface RoundOptions {
  readonly rounds: number
  readonly sliceMs: number
  /** How many lanes at a time; each of these in every round. */
  readonly threads: readonly number[]
  /** Single operations are timed too, in slices of their own. */
  readonly isTimed?: boolean
  /** The most slices of the warm-up; fewer than usual where a slice is one long operation. */
  readonly warmSlices?: number
}

/** By number of threads: what the lanes did in each round. */
export type RoundsByThreads = ReadonlyMap<number, readonly (readonly LaneResult[])[]>
export type Outcome = ReadonlyMap<Crew, RoundsByThreads>

/** The warm-up ends after this many batches, when V8 has compiled the code. Time says nothing on a loaded machine. */
const WARM_BATCHES = 300
const WARM_SLICES_MAX = 40

export async function warmUp(
  crew: Crew,
  active: number,
  sliceMs: number,
  slicesMax = WARM_SLICES_MAX,
): Promise<void> {
  let least = 0
  for (let slice = 0; slice < slicesMax && (slice < 3 || least < WARM_BATCHES); slice++) {
    const results = await crew.run(active, sliceMs)
    least += Math.min(...results.map(({ batches }) => batches))
  }
}

export async function runRounds(
  crews: readonly Crew[],
  { rounds, sliceMs, threads, isTimed = false, warmSlices }: RoundOptions,
): Promise<Outcome> {
  const outcome = new Map(
    crews.map((crew) => [crew, new Map(threads.map((count): [number, LaneResult[][]] => [count, []]))]),
  )
  for (const crew of crews) await warmUp(crew, Math.max(...threads), sliceMs, warmSlices)
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? crews : [...crews].reverse()
    for (const count of threads) {
      for (const crew of order) {
        outcome
          .get(crew)!
          .get(count)!
          .push(await crew.run(count, sliceMs))
        if (isTimed) await crew.time(count, sliceMs)
      }
    }
  }
  return outcome
}
