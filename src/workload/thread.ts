/**
 * One thread of a load. It makes accesses of random kinds and compares them with the truth. It uses only Sync calls,
 * because a load thread may block. It holds one guard at a time, so a few frames are enough for many threads.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { CacheClient, Partition } from '../shared/interface.js'
import type { Board, LoadCounter } from './board.js'
import type { LoadContext, Target } from './context.js'
import { blockSource, type Pattern } from './pattern.js'
import { Random } from './random.js'
import { Reader } from './reader.js'
import type { Mismatch, Truth } from './truth.js'
import { MISMATCHES_MAX } from './verify.js'
import { Writer } from './writer.js'

/** The plan of a load, the same for all its threads. */
export interface LoadPlan {
  readonly pattern: Pattern
  /** Share of the accesses that only read, 0 to 1. */
  readonly reads: number
  /** Share of the writes that mark a block with a class other than its own, 0 to 1. */
  readonly classChanges: number
  readonly seed: number
  /** Number of accesses of all threads together; undefined: until the stop. */
  readonly ops: number | undefined
  /** Block numbers in shared memory, used instead of the pattern. The trace restarts at its end. */
  readonly trace: Uint32Array<SharedArrayBuffer> | undefined
}

/** On average, a flush follows every 8192nd write. */
const WRITES_A_FLUSH = 8192

export class LoadThread implements LoadContext {
  readonly thread: number
  readonly truth: Truth
  readonly random: Random
  readonly mayCross: boolean
  /** Time in the cache's calls, in nanoseconds, without the checksums. */
  readonly readTimes: RecordableHistogram = createHistogram()
  readonly writeTimes: RecordableHistogram = createHistogram()
  readonly mismatches: Mismatch[] = []
  readonly #client: CacheClient
  readonly #board: Board
  readonly #plan: LoadPlan
  readonly #partitions: readonly Partition[]
  readonly #blocks: number
  readonly #draw: () => number

  constructor(client: CacheClient, board: Board, truth: Truth, plan: LoadPlan, thread: number) {
    this.thread = thread
    this.truth = truth
    this.#client = client
    this.#board = board
    this.#plan = plan
    this.mayCross = plan.trace === undefined
    this.random = new Random(plan.seed, thread)
    this.#partitions = truth.memory.files.map(({ name }) => client.partition(name))
    this.#blocks = this.#partitions.reduce((sum, { blocks }) => sum + blocks, 0)
    this.#draw = blockSource(plan.pattern, this.#blocks, this.random, thread, board.threads)
  }

  /** Makes accesses until the stop, or until all threads together have made `ops` accesses. */
  run(): void {
    const reader = new Reader(this, this.readTimes)
    const writer = new Writer(this, this.writeTimes, this.#plan.classChanges)
    while (!this.#board.isStopped) {
      const target = this.#next()
      if (target === undefined) return
      if (this.random.unit() < this.#plan.reads) {
        reader.access(target)
        this.count('reads')
      } else {
        writer.access(target)
        this.count('writes')
        if (this.random.below(WRITES_A_FLUSH) === 0)
          this.#client.flushSync({ partition: target.partition.name })
      }
    }
  }

  count(counter: LoadCounter, by = 1): void {
    this.#board.count(this.thread, counter, by)
  }

  doze(milliseconds: number): void {
    this.#board.doze(milliseconds)
  }

  wrong({ index, block }: Target, bytes: Uint8Array, how: string): void {
    this.count('mismatched')
    if (this.mismatches.length < MISMATCHES_MAX)
      this.mismatches.push(this.truth.mismatch(index, block, bytes, `${how} of thread ${this.thread}`))
  }

  #next(): Target | undefined {
    const { ops, trace } = this.#plan
    // The threads share the accesses of a trace: each free thread takes the next one.
    const turn = ops === undefined && trace === undefined ? 0 : this.#board.take()
    if (ops !== undefined && turn >= ops) return undefined
    let block = trace === undefined ? this.#draw() : trace[turn % trace.length]! % this.#blocks
    let index = 0
    while (block >= this.#partitions[index]!.blocks) block -= this.#partitions[index++]!.blocks
    return { partition: this.#partitions[index]!, index, block }
  }
}
