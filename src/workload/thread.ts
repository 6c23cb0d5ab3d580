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
/** If partitions grow: how many accesses, on average, follow a look at their sizes, and the share that goes to what was added. */
const ACCESSES_A_LOOK = 64
const ADDED_SHARE = 1 / 4

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
  readonly #mayGrow: boolean
  /** Blocks of each partition, and of all, when this thread last looked. */
  #sizes: readonly number[] = []
  #blocks = 0
  #draw: () => number = () => 0

  constructor(client: CacheClient, board: Board, truth: Truth, plan: LoadPlan, thread: number) {
    this.thread = thread
    this.truth = truth
    this.#client = client
    this.#board = board
    this.#plan = plan
    this.mayCross = plan.trace === undefined
    this.random = new Random(plan.seed, thread)
    this.#partitions = truth.memory.files.map(({ name }) => client.partition(name))
    this.#mayGrow = truth.memory.files.some(({ blocks, blocksMax = blocks }) => blocksMax > blocks)
    this.#look()
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

  /** Looks at the sizes. If they have changed, the pattern begins anew. */
  #look(): void {
    const sizes = this.#partitions.map(({ blocks }) => blocks)
    const blocks = sizes.reduce((sum, size) => sum + size, 0)
    if (blocks === this.#blocks) return
    this.#sizes = sizes
    this.#blocks = blocks
    this.#draw = blockSource(this.#plan.pattern, blocks, this.random, this.thread, this.#board.threads)
  }

  /** A block that was added, if there are any in a partition that is chosen by lot. */
  #addedBlock(): Target | undefined {
    const index = this.random.below(this.#partitions.length)
    const { blocks } = this.truth.memory.files[index]!
    const added = this.#sizes[index]! - blocks
    if (added === 0) return undefined
    return { partition: this.#partitions[index]!, index, block: blocks + this.random.below(added) }
  }

  #next(): Target | undefined {
    const { ops, trace } = this.#plan
    // The threads share the accesses of a trace: each free thread takes the next one.
    const turn = ops === undefined && trace === undefined ? 0 : this.#board.take()
    if (ops !== undefined && turn >= ops) return undefined
    if (this.#mayGrow) {
      if (this.random.below(ACCESSES_A_LOOK) === 0) this.#look()
      const added = this.random.unit() < ADDED_SHARE ? this.#addedBlock() : undefined
      if (added !== undefined) return added
    }
    let block = trace === undefined ? this.#draw() : trace[turn % trace.length]! % this.#blocks
    let index = 0
    while (block >= this.#sizes[index]!) block -= this.#sizes[index++]!
    return { partition: this.#partitions[index]!, index, block }
  }
}
