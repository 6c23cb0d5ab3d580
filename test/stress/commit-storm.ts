// The storm of commits: threads that commit 2 to 8 blocks of a set are ended in turn, at any moment, and replaced; the flush
// worker and writers are too. Readers that hold all blocks of a set never see a part of a commit, nor do the files after a
// flush.

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { BlockCache } from 'dcache'
import * as assert from 'uvu/assert'
import { openArena } from '#dist/workers/attach.js'
import { FLUSH_SLOT, writerSlot } from '#dist/shared/layout.js'
import { Slot, SlotState } from '#dist/shared/words.js'
import { type EngineFiles, withEngine } from '../support/engine.js'
import { until } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { within } from '../support/within.js'
import { assertWhole, Choice, countIn, PARTITIONS, readSet, setOf, SETS } from './commit-sets.js'
import type { CommitLife } from './commit-thread.js'

export interface CommitStormOptions {
  readonly deaths: number
  readonly policy: 'lru2' | 'adaptive'
  /** Whether the group has a journal, of the least size: its halves change all the time. */
  readonly isJournaled: boolean
  readonly seed: number
}

const THREADS = 4
/** Half of the blocks of the sets. */
const CACHED = 40
/** Two halves of 14 pages. */
const JOURNAL_BYTES = 28 * 4096
/** States of a slot that is not recovered. */
const IN_USE: readonly number[] = [SlotState.LIVE, SlotState.DEAD]
/** After this many deaths, a thread of the engine is ended too. */
const ENGINE_EVERY = 10
/** After this many deaths, the files are compared. */
const FILES_EVERY = 20

export async function commitStorm({ deaths, policy, isJournaled, seed }: CommitStormOptions): Promise<void> {
  const threads = new Map<number, Worker>()
  const register = (worker: Worker) => threads.set(worker.threadId, worker)
  process.on('worker', register)
  const partitions = Object.fromEntries(Object.entries(PARTITIONS))
  const words = new Int32Array(new SharedArrayBuffer(4 * (2 + deaths + THREADS)))
  const startMs = performance.now()
  using folder = tempFolder()
  const journal = { path: join(folder.path, 'journal'), size: JOURNAL_BYTES }
  const options = {
    blocks: CACHED,
    partitions,
    policy,
    flushDelayMs: 20,
    threads: 3 * THREADS,
    ...(isJournaled ? { groups: { '': { journal } } } : {}),
  }
  const what = `commits, ${policy}${isJournaled ? ', with a journal' : ''}, seed ${seed}`
  try {
    await withEngine(
      options,
      async (cache, files) => {
        const storm = new CommitStorm(cache, files, threads, words, seed, isJournaled)
        try {
          await storm.run(deaths)
        } finally {
          await storm.end()
        }
      },
      assertFiles,
    )
  } catch (error) {
    throw new Error(`${what}: ${String(error)}`, { cause: error })
  } finally {
    process.off('worker', register)
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
  console.log(`\n# ${what}: ${deaths} deaths, ${words[1]!} steps, ${seconds} s`)
}

/** The counts of a set in the files have the sum 0, and no block is torn. */
function assertFile(files: EngineFiles, set: number): void {
  const contents = { a: files.contents('a'), b: files.contents('b') }
  const counts = setOf(set).map((place) => {
    const [name, block] = place
    const { blockSize } = PARTITIONS[name]
    return countIn(contents[name].subarray(block * blockSize, (block + 1) * blockSize), place)
  })
  assertWhole('the files', set, counts)
}

function assertFiles(files: EngineFiles): void {
  for (let set = 0; set < SETS; set++) assertFile(files, set)
}

class CommitStorm {
  readonly #cache: BlockCache
  readonly #files: EngineFiles
  readonly #arena: ReturnType<typeof openArena>
  readonly #threads: ReadonlyMap<number, Worker>
  readonly #words: Int32Array
  readonly #choice: Choice
  readonly #seed: number
  readonly #isJournaled: boolean
  readonly #lives: { worker: Worker; life: number; ended: Promise<unknown> }[] = []
  readonly #wrong: Error[] = []
  #nextLife = 0

  constructor(
    cache: BlockCache,
    files: EngineFiles,
    threads: ReadonlyMap<number, Worker>,
    words: Int32Array,
    seed: number,
    isJournaled: boolean,
  ) {
    this.#isJournaled = isJournaled
    this.#cache = cache
    this.#files = files
    this.#arena = openArena(cache.handle)
    this.#threads = threads
    this.#words = words
    this.#choice = new Choice(seed)
    this.#seed = seed
  }

  async run(deaths: number): Promise<void> {
    for (let index = 0; index < THREADS; index++) this.#start(index)
    for (let death = 0; death < deaths; death++) {
      await pause(this.#choice.below(20))
      await this.#kill(death % THREADS, death % 3 === 0)
      if (death % ENGINE_EVERY === 0) await this.#killOfEngine()
      await readSet(this.#cache, this.#choice.below(SETS), false)
      if ((death + 1) % FILES_EVERY === 0) await this.#compareFiles()
    }
    await this.#works()
    await this.end()
    this.#assertWell()
    for (let set = 0; set < SETS; set++) await readSet(this.#cache, set, false)
    await this.#cache.flush()
    if (!this.#isJournaled) assertFiles(this.#files)
    assert.equal(this.#cache.holders(), [])
  }

  /** Lets all threads stop. */
  async end(): Promise<void> {
    Atomics.store(this.#words, 0, 1)
    await within('the threads stop', Promise.all(this.#lives.map(({ ended }) => ended)))
  }

  #start(index: number): void {
    const life = this.#nextLife++
    const data: CommitLife = { handle: this.#cache.handle, seed: this.#seed + life, words: this.#words, life }
    const worker = new Worker(new URL('./commit-thread.js', import.meta.url), { workerData: data })
    worker.on('error', (error) => this.#wrong.push(error))
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    this.#lives[index] = { worker, life, ended }
  }

  /** Ends a thread by itself or from outside; replaces it, and waits until what it held is recovered. */
  async #kill(index: number, byExit: boolean): Promise<void> {
    const { worker, life, ended } = this.#lives[index]!
    const { threadId } = worker
    if (byExit) Atomics.store(this.#words, 2 + life, 1)
    else void worker.terminate()
    await within(`life ${life} ends`, ended)
    this.#start(index)
    await until(`life ${life} is recovered`, () => !this.#isLeft(threadId))
    this.#assertWell()
  }

  #isLeft(thread: number): boolean {
    const { words, geometry } = this.#arena
    return Array.from({ length: geometry.slots }, (_, slot) => this.#arena.slotAt(slot)).some(
      (at) => words[at + Slot.threadId] === thread && IN_USE.includes(Atomics.load(words, at + Slot.state)),
    )
  }

  async #killOfEngine(): Promise<void> {
    const slot = [FLUSH_SLOT, FLUSH_SLOT, writerSlot(0)][this.#choice.below(3)]!
    const at = this.#arena.slotAt(slot)
    if (Atomics.load(this.#arena.words, at + Slot.state) !== SlotState.LIVE) return
    const worker = this.#threads.get(this.#arena.words[at + Slot.threadId]!)
    if (worker !== undefined && worker.threadId !== -1) await worker.terminate()
  }

  /** Waits until the threads work. */
  async #works(): Promise<void> {
    const steps = Atomics.load(this.#words, 1) + 200
    await until('all threads to work', () => {
      this.#assertWell()
      return Atomics.load(this.#words, 1) >= steps
    })
  }

  /** Holds all blocks of a set, so that no commit of it is under way, and flushes: then the files have whole commits of it. */
  async #compareFiles(): Promise<void> {
    await this.#works()
    for (let set = 0; set < SETS; set++)
      await readSet(this.#cache, set, false, async () => {
        await this.#cache.flush()
        // With a journal the blocks are in place later.
        if (!this.#isJournaled) assertFile(this.#files, set)
      })
    assert.equal(
      this.#cache.check().filter((line) => !/^(X1|L1|L2) /.test(line)),
      [],
    )
  }

  #assertWell(): void {
    if (this.#wrong.length > 0) throw this.#wrong[0]!
  }
}
