/**
 * Makes the partitions of a load larger while its threads use them. It runs in an event loop, which the threads of a load do
 * not have, and keeps several calls of `extend` under way for each partition, which must never get the same blocks.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { CacheClient, Partition } from '../shared/interface.js'
import type { Board } from './board.js'
import { Random } from './random.js'
import type { LoadFile } from './truth.js'

/** Calls of `extend` under way for a partition. */
const LANES = 2
/** A partition grows in so many steps, on average. */
const STEPS = 128
/** Of the duration of a load, the part in which its partitions grow; and that duration if it has no limit, in seconds. */
const PART = 0.8
const SECONDS = 1

export interface Growth {
  readonly extends: number
  readonly blocks: number
}

export class Grower {
  readonly #board: Board
  readonly #random: Random
  readonly #pauseMs: number
  readonly #partitions: readonly GrowingPartition[]
  readonly #end = new AbortController()
  #running: Promise<unknown> = Promise.resolve()

  /** Grows the partitions of these files to the most blocks that they may have, in the first part of so many seconds. */
  constructor(
    client: CacheClient,
    files: readonly LoadFile[],
    board: Board,
    seed: number,
    seconds: number | undefined,
  ) {
    this.#board = board
    this.#random = new Random(seed, -2)
    this.#pauseMs = ((seconds ?? SECONDS) * 1000 * PART * LANES) / STEPS
    this.#partitions = files.map((file) => new GrowingPartition(client.partition(file.name), file))
  }

  /** Called at the start of the load. */
  start(): void {
    const lanes = this.#partitions.flatMap((each) => Array.from({ length: LANES }, () => this.#grow(each)))
    this.#running = Promise.all(lanes)
    // A load without growth tests nothing. `stop` throws the error.
    this.#running.catch(() => {
      this.#board.stop()
    })
  }

  /** Called at the end of the load. @throws the error of an `extend`, or an error that says what was wrong with its blocks */
  async stop(): Promise<Growth> {
    this.#end.abort()
    await this.#running
    for (const each of this.#partitions) each.assertWhole()
    const sum = (count: (each: GrowingPartition) => number) =>
      this.#partitions.reduce((all, each) => all + count(each), 0)
    return { extends: sum((each) => each.extends), blocks: sum((each) => each.added) }
  }

  async #grow(each: GrowingPartition): Promise<void> {
    const { signal } = this.#end
    while (!signal.aborted && !this.#board.isStopped && (await each.extend(this.#random)))
      await delay(2 * this.#pauseMs * this.#random.unit(), undefined, { signal }).catch(() => undefined)
  }
}

class GrowingPartition {
  readonly #partition: Partition
  readonly #file: LoadFile
  readonly #stepMax: number
  /** Blocks that may still be added. */
  #left: number
  /** What each call has added: the first block, and the one behind the last. */
  readonly #ranges: (readonly [number, number])[] = []

  constructor(partition: Partition, file: LoadFile) {
    this.#partition = partition
    this.#file = file
    this.#left = (file.blocksMax ?? file.blocks) - file.blocks
    this.#stepMax = Math.max(1, Math.ceil((2 * this.#left) / STEPS) - 1)
  }

  get extends(): number {
    return this.#ranges.length
  }

  get added(): number {
    return this.#ranges.reduce((all, [first, end]) => all + end - first, 0)
  }

  /** Adds some blocks. Returns false if there are as many as there may be. */
  async extend(random: Random): Promise<boolean> {
    const count = Math.min(this.#left, 1 + random.below(this.#stepMax))
    if (count === 0) return false
    this.#left -= count
    const first = await this.#partition.extend(count)
    this.#ranges.push([first, first + count])
    return true
  }

  /** @throws if two calls got the same block, or if a block was added that no call got */
  assertWhole(): void {
    const { name, blocks } = this.#file
    let end = blocks
    for (const [first, next] of [...this.#ranges, [this.#partition.blocks, 0] as const].sort(
      (a, b) => a[0] - b[0],
    )) {
      if (first !== end)
        throw new Error(`${name}: blocks were added up to ${end}, and the next ones from ${first} on`)
      end = next
    }
  }
}
