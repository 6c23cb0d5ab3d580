// The kill storm: threads under verified load are ended in turn, by terminate(), by process.exit() and by running out of
// memory, and replaced. The engine's own threads are ended too. Every wait has a deadline, so that a hang is reported with
// the seed. Where each thread is created by a worker of its own (storm-nest.ts), that worker ends with it or first. The
// engine finds the threads by the process's 'worker' event; no test tells it of them.

import { closeSync, openSync } from 'node:fs'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type BlockCache, type CacheOptions } from 'dcache'
import { Piscina } from 'piscina'
import * as assert from 'uvu/assert'
import type { Arena } from '#dist/shared/arena.js'
import { openArena } from '#dist/workers/attach.js'
import { firstClientSlot, FLUSH_SLOT, writerSlot } from '#dist/shared/layout.js'
import { withEngine } from '../support/engine.js'
import { PATIENCE_MS, until } from '../support/open.js'
import { within } from '../support/within.js'
import { firstContents, Order, PARTITIONS, Truth, verifyFile } from './records.js'
import type { Life } from './storm-life.js'
import type { Nest } from './storm-nest.js'
import { asyncCalls, Traffic } from './traffic.js'
import { Slot, SlotState } from '#dist/shared/words.js'

export interface StormOptions {
  readonly deaths: number
  readonly policy: NonNullable<CacheOptions['policy']>
  /** What creates the threads. */
  readonly by: 'hand' | 'piscina' | 'nest'
  readonly seed: number
}

const THREADS = 4
/** How many of the 144 blocks of the files are cached. */
const BLOCKS = 20
const WAYS = [Order.TERMINATED, Order.EXIT, Order.MEMORY] as const
const WAY_NAMES = { [Order.TERMINATED]: 'terminate()', [Order.EXIT]: 'process.exit()', [Order.MEMORY]: 'out of memory' } // prettier-ignore
/** After this many deaths, one of the engine's own threads is ended too. */
const ENGINE_EVERY = 10
/** After this many deaths, no thread is ended until the owner has latched every block. */
const CALM_EVERY = 100
const STEPS_IN_CALM = 400
const LIMITS = { maxOldGenerationSizeMb: 16 }

/** The owner's own traffic, which is never ended. */
const OWNERS_LIFE = 0

/** The errors of an end by piscina or Node; any other is an error of the engine or a wrong byte. */
const isAnEnd = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'ERR_WORKER_OUT_OF_MEMORY' || /^(?:worker exited|Terminating worker)/.test(error.message)

/** Runs a storm. @throws the first error, with the seed */
export async function storm(options: StormOptions): Promise<void> {
  const startMs = performance.now()
  const threads = new Map<number, Worker>()
  const register = (worker: Worker) => threads.set(worker.threadId, worker)
  process.on('worker', register)
  const truth = new Truth({ lives: options.deaths + THREADS + 1 })
  const partitions = Object.fromEntries(
    PARTITIONS.map(({ name, ...sizes }, i) => [name, { ...sizes, contents: firstContents(i) }]),
  )
  const what = `${options.policy}, threads by ${options.by}, seed ${options.seed}`
  let records = 0
  let text = ''
  try {
    await withEngine(
      { blocks: BLOCKS, partitions, flushDelayMs: 50, policy: options.policy, threads: 3 * THREADS },
      async (cache, files) => {
        const descriptors = PARTITIONS.map(({ name }) => openSync(files.path(name), 'r'))
        const it = new Storm(options, cache, truth, threads, descriptors)
        try {
          await it.run()
          text = it.text
        } finally {
          await it.end()
          for (const descriptor of descriptors) closeSync(descriptor)
        }
      },
      (files) => {
        for (const [i, { name }] of PARTITIONS.entries())
          records += verifyFile(files.contents(name), i, truth)
      },
    )
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    process.off('worker', register)
  }
  const seconds = (performance.now() - startMs) / 1000
  console.log(`\n# ${what}: ${text}; ${records} records of the files are right; ${seconds.toFixed(0)} s`)
}

class Storm {
  readonly #options: StormOptions
  readonly #cache: BlockCache
  readonly #arena: Arena
  readonly #truth: Truth
  readonly #threads: ReadonlyMap<number, Worker>
  readonly #common: Omit<Life, 'index' | 'life' | 'seed'>
  readonly #traffic: Traffic
  readonly #pool: Piscina | undefined
  readonly #dying: Promise<void>[] = []
  readonly #ends: Promise<unknown>[] = []
  readonly #wrong: Error[] = []
  readonly #lives: { life: number; worker: Worker | undefined }[] = []
  readonly #recoveriesMs: number[] = []
  readonly #counts: Record<string, number> = {}
  #nextLife = OWNERS_LIFE + 1
  #random: number

  constructor(
    options: StormOptions,
    cache: BlockCache,
    truth: Truth,
    threads: ReadonlyMap<number, Worker>,
    files: readonly number[],
  ) {
    this.#options = options
    this.#cache = cache
    this.#arena = openArena(cache.handle)
    this.#truth = truth
    this.#threads = threads
    this.#random = options.seed
    this.#common = { handle: cache.handle, truth: truth.buffer, threads: THREADS + 1, files }
    this.#traffic = new Traffic({
      client: cache,
      calls: asyncCalls(cache),
      truth,
      index: THREADS,
      threads: THREADS + 1,
      life: OWNERS_LIFE,
      files,
      seed: options.seed,
    })
    if (options.by === 'piscina')
      this.#pool = new Piscina({
        filename: new URL('./storm-life.js', import.meta.url).href,
        minThreads: THREADS,
        maxThreads: THREADS,
        resourceLimits: LIMITS,
      })
  }

  async run(): Promise<void> {
    for (let index = 0; index < THREADS; index++) this.#start(index)
    await this.#calm()
    for (let death = 0; death < this.#options.deaths; death++) {
      const index = death % THREADS
      await this.#dying[index]
      this.#assertWell()
      await pause(20 + this.#below(31))
      const dying = this.#kill(index, WAYS[death % WAYS.length]!)
      dying.catch((error: unknown) => this.#wrong.push(error as Error))
      this.#dying[index] = dying
      if (death % ENGINE_EVERY === 0) await this.#killOfEngine()
      if ((death + 1) % CALM_EVERY > 0) continue
      await Promise.all(this.#dying)
      await this.#calm()
    }
    await Promise.all(this.#dying)
    await this.#calm()
    await this.end()
    await until('the slots of all threads are free', () => this.#attached() === 0)
    this.#assertWell()
    assert.equal(this.#cache.holders(), [], 'no block stays held')
    await this.#assertSound('at the end')
  }

  /** The number of slots that threads of the storm have. */
  #attached(): number {
    const { words, geometry } = this.#arena
    const first = firstClientSlot(geometry)
    const slots = Array.from({ length: geometry.slots - first }, (_, i) => this.#arena.slotAt(first + i))
    return slots.filter((at) => Atomics.load(words, at + Slot.state) !== SlotState.FREE).length
  }

  /** Lets all threads stop in order. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#dying)
    this.#truth.end()
    await within('the threads stop', Promise.all(this.#ends))
    await this.#pool?.destroy()
  }

  get text(): string {
    const counts = Object.entries(this.#counts).map(([what, count]) => `${what} ${count}`).join(', ') // prettier-ignore
    const sorted = this.#recoveriesMs.toSorted((a, b) => a - b)
    const at = (share: number) => `${sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1)} ms`
    return `${this.#options.deaths} deaths (${counts}); from the exit until all is recovered p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}; ${this.#truth.steps} steps verified` // prettier-ignore
  }

  #start(index: number): void {
    const life = this.#nextLife++
    const data: Life = { ...this.#common, index, life, seed: this.#options.seed + life }
    const judge = (error: Error) => {
      if (this.#truth.orderOf(life) === Order.NONE || !isAnEnd(error)) this.#wrong.push(error)
    }
    if (this.#pool !== undefined) {
      this.#lives[index] = { life, worker: undefined }
      this.#ends.push((this.#pool.run(data) as Promise<void>).catch(judge))
      return
    }
    const worker = this.#options.by === 'nest' ? nested(data) : new Worker(new URL('./storm-thread.js', import.meta.url), { workerData: data, resourceLimits: LIMITS }) // prettier-ignore
    worker.on('error', judge)
    this.#lives[index] = { life, worker }
    this.#ends.push(exitOf(worker))
  }

  /** Ends a thread; resolves when it is replaced, what it left is repaired, and check() finds nothing. */
  async #kill(index: number, way: (typeof WAYS)[number]): Promise<void> {
    const { life, worker: made } = this.#lives[index]!
    if (made === undefined) await until(`life ${life} begins`, () => this.#truth.threadOf(life) !== 0)
    const worker = made ?? this.#threads.get(this.#truth.threadOf(life))!
    this.#truth.doom(life, way)
    if (way === Order.TERMINATED) void worker.terminate()
    await within(`life ${life} ends by ${WAY_NAMES[way]}`, exitOf(worker))
    const exitMs = performance.now()
    this.#start(index)
    await this.#recovered(life)
    this.#recoveriesMs.push(performance.now() - exitMs)
    // In the same turn, so that no other end is reported between the last check and this one.
    await this.#assertSound(`after the end of life ${life} by ${WAY_NAMES[way]}`)
    this.#count(WAY_NAMES[way])
  }

  async #recovered(life: number): Promise<void> {
    const { words, geometry } = this.#arena
    const thread = this.#truth.threadOf(life) || -1 // 0 if it ended before it began, and thread 0 is the owner
    const isDead = (slot: number) => {
      const at = this.#arena.slotAt(slot)
      const state = Atomics.load(words, at + Slot.state)
      return state === SlotState.DEAD || (state === SlotState.LIVE && words[at + Slot.threadId] === thread)
    }
    const endMs = performance.now() + PATIENCE_MS
    while (Array.from({ length: geometry.slots }, (_, slot) => slot).some(isDead)) {
      if (performance.now() > endMs) throw new Error(`life ${life} is not repaired: ${this.#holders()}`)
      await turn()
    }
  }

  /** One of the engine's own threads: the flush worker or a writer. */
  async #killOfEngine(): Promise<void> {
    const slot = [FLUSH_SLOT, writerSlot(0), writerSlot(1)][this.#below(3)]!
    const at = this.#arena.slotAt(slot)
    if (this.#arena.words[at + Slot.state] !== SlotState.LIVE) return
    const worker = this.#threads.get(this.#arena.words[at + Slot.threadId]!)
    if (worker === undefined || worker.threadId === -1) return
    await worker.terminate()
    this.#count(slot === FLUSH_SLOT ? 'flush worker' : 'writers')
  }

  /** Ends no thread until all work again, every block could be latched, and a flush succeeded. */
  async #calm(): Promise<void> {
    const steps = this.#truth.steps + STEPS_IN_CALM
    await until('all threads to work', () => {
      this.#assertWell()
      return this.#truth.steps >= steps && this.#lives.every(({ life }) => this.#truth.threadOf(life) !== 0)
    })
    await within('the owner gets every block', this.#traffic.visitAll())
    await this.#assertSound('while no thread is ended')
  }

  /**
   * Asserts that check() finds nothing, with its findings in the message, because a seed does not repeat the timing. Another
   * thread may have ended in the meantime, one that a worker of it created for instance. What that thread held (X1 a mutex, L1
   * pins, L2 a latch) is a finding until its end is reported and repaired, which cannot happen while check() waits for a mutex on
   * the same event loop. Such findings must be gone after a while.
   */
  async #assertSound(when: string): Promise<void> {
    const isOfDeath = (line: string) => /^(X1|L1|L2) /.test(line)
    let broken = this.#cache.check()
    for (let left = 3; left > 0 && broken.length > 0 && broken.every(isOfDeath); left--) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      broken = this.#cache.check()
    }
    if (broken.length > 0) throw new Error(`check() ${when}: ${JSON.stringify(broken)}; ${this.#holders()}`)
  }

  #assertWell(): void {
    if (this.#wrong.length > 0) throw this.#wrong[0]!
  }

  #holders(): string {
    return JSON.stringify(this.#cache.holders())
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1
  }

  #below(limit: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0
    return ((this.#random ^ (this.#random >>> 16)) >>> 0) % limit
  }
}

/** Creates a worker whose worker lives the life; every second one is attached itself. */
function nested(life: Life): Worker {
  const nest: Nest = { life, attaches: life.life % 2 === 0, limits: LIMITS }
  return new Worker(new URL('./storm-nest.js', import.meta.url), { workerData: nest })
}

/** Unlike events.once, this does not end at an 'error'. */
const exitOf = (worker: Worker): Promise<unknown> =>
  new Promise((resolve) => (worker.threadId === -1 ? resolve(0) : worker.once('exit', resolve)))
