/**
 * The method: every round runs all variants one after the other, and the order is reversed from round to round. So
 * compared figures are measured close together, and a disturbance of the machine affects all variants.
 */
import { type Crew, throughputOf } from './crew.js'
import type { LaneResult } from './task.js'

export interface RoundOptions {
  readonly rounds: number
  readonly sliceMs: number
  /** Numbers of concurrent lanes; every round runs each of them. */
  readonly threads: readonly number[]
  /** Single operations are timed too, in separate slices. */
  readonly isTimed?: boolean
  /** Limit of warm-up slices; lower than the default if a slice is one long operation. */
  readonly warmSlices?: number
  /** With it each number of threads is warmed up, until each lane has run so many batches: they may take other ways than all of them. */
  readonly warmBatches?: number
}

/** The results of the lanes in each round, by number of threads. */
export type RoundsByThreads = ReadonlyMap<number, readonly (readonly LaneResult[])[]>
export type Outcome = ReadonlyMap<Crew, RoundsByThreads>

/**
 * The warm-up ends after this many batches, when V8 has compiled the code; more are needed if a batch is one operation. A time limit
 * would fail on a loaded machine.
 */
const WARM_BATCHES = 300
const WARM_SLICES_MAX = 40

export async function warmUp(
  crew: Crew,
  active: number,
  sliceMs: number,
  slicesMax = WARM_SLICES_MAX,
  batches = WARM_BATCHES,
): Promise<void> {
  let least = 0
  for (let slice = 0; slice < slicesMax && (slice < 3 || least < batches); slice++) {
    const results = await crew.run(active, sliceMs)
    least += Math.min(...results.map((result) => result.batches))
  }
}

export async function runRounds(
  crews: readonly Crew[],
  { rounds, sliceMs, threads, isTimed = false, warmSlices, warmBatches }: RoundOptions,
): Promise<Outcome> {
  const outcome = new Map(
    crews.map((crew) => [crew, new Map(threads.map((count): [number, LaneResult[][]] => [count, []]))]),
  )
  const warmed = warmBatches === undefined ? [Math.max(...threads)] : threads
  for (const crew of crews)
    for (const count of warmed) await warmUp(crew, count, sliceMs, warmSlices, warmBatches)
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

/** The throughput of all threads in terms of one thread, by round. Undefined if one thread was not measured. */
export function scalingOf(rounds: RoundsByThreads, threads: number): number[] | undefined {
  const alone = rounds.get(1)
  if (threads === 1 || alone === undefined) return undefined
  return rounds.get(threads)!.map((results, round) => throughputOf(results) / throughputOf(alone[round]!))
}
