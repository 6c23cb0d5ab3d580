// @deadline 300
// Partitions are added, extended, shrunk and dropped, settings change and the pool grows, while four threads use whichever
// partitions exist, and some of these threads die in the middle. Every block that a thread gets is whole and the right one; every file has what was flushed; and nothing is left.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type BlockCache, openCache } from 'dcache'
import { assertSound, memoryFor, until } from '../support/open.js'
import { sized } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { assertWhole, BLOCK, BLOCKS_MAX, type ChurnStart, NAMES, truthAt } from './churn-blocks.js'

const SECONDS = Number(process.env['DCACHE_CHURN_SECONDS'] ?? sized(5, 30))
const THREADS = 4
/** Frames of the pool at the beginning, and at most. */
const [FRAMES, FRAMES_MAX] = [48, 96]
/** Milliseconds between two deaths. A thread takes a part of a second to start. */
const KILL_MS = 1500
const isLinux = process.platform === 'linux'

/** How many descriptors of this process lead into a folder. */
function descriptorsIn(folder: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      return false // closed in the meantime
    }
  }).length
}

class Churn {
  readonly cache: BlockCache
  readonly folder: string
  readonly counts = { added: 0, dropped: 0, held: 0, sizes: 0, settings: 0, deaths: 0 }
  readonly errors: string[] = []
  readonly #start: Omit<ChurnStart, 'seed'> = {
    truth: new Int32Array(new SharedArrayBuffer(4 * NAMES.length * BLOCKS_MAX)),
    control: new Int32Array(new SharedArrayBuffer(8)),
  }
  readonly #threads = new Set<Worker>()
  #state: number
  #files = 0
  readonly #paths = new Map<string, string>()
  /** By name: the smallest size that it has had. What is beyond may have been forgotten, and begun again from zeros. */
  readonly #least = new Map<number, number>()

  constructor(cache: BlockCache, folder: string, seed: number) {
    this.cache = cache
    this.folder = folder
    this.#state = seed
  }

  below(count: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * count)
  }

  startThread(): void {
    const seed = this.below(2 ** 31)
    const workerData = { ...this.#start, seed, handle: this.cache.handle }
    const worker = new Worker(new URL('./churn-thread.js', import.meta.url), { workerData })
    this.#threads.add(worker)
    worker.on('message', ({ error }: { error: string }) => this.errors.push(error))
    worker.on('error', (error) => this.errors.push(String(error)))
    worker.on('exit', () => this.#threads.delete(worker))
  }

  /** Ends a thread wherever it is, and starts another one. */
  async kill(): Promise<void> {
    const [victim] = this.#threads
    if (victim === undefined) return
    await victim.terminate()
    this.counts.deaths++
    this.startThread()
  }

  /** How many calls of the threads have succeeded. */
  get calls(): number {
    return this.#start.control[1]!
  }

  async endThreads(): Promise<void> {
    Atomics.store(this.#start.control, 0, 1)
    await until('the threads have ended', () => this.#threads.size === 0)
  }

  /** One change of a partition: it comes if it is not there, else it grows, shrinks or goes. */
  async change(): Promise<void> {
    const name = this.below(NAMES.length)
    if (!this.#paths.has(NAMES[name]!)) {
      await this.#add(name)
      return
    }
    const what = this.below(3)
    if (what === 0) await this.drop(name, this.below(2) === 0)
    else await this.#resize(name)
  }

  async #add(name: number): Promise<void> {
    const path = join(this.folder, `file ${this.#files++}`)
    this.#start.truth.fill(0, truthAt(name, 0), truthAt(name + 1, 0))
    const blocks = 4 + this.below(20)
    const share = this.below(2) === 0 ? { share: 0.2 } : {}
    await this.cache.addPartition(NAMES[name]!, { path, blockSize: BLOCK, size: blocks * BLOCK, ...share })
    this.#least.set(name, blocks)
    this.#paths.set(NAMES[name]!, path)
    this.counts.added++
  }

  /** Drops a partition if its blocks are free in time, and compares its file with what is known. */
  async drop(name: number, flush: boolean): Promise<void> {
    const path = this.#paths.get(NAMES[name]!)!
    const { blocks } = this.cache.partition(NAMES[name]!)
    try {
      await this.cache.dropPartition(NAMES[name]!, { flush })
    } catch (error) {
      if ((error as { code: string }).code !== 'ERR_DCACHE_GUARDS_HELD') throw error
      this.counts.held++
      return
    }
    this.#paths.delete(NAMES[name]!)
    this.counts.dropped++
    const file = readFileSync(path)
    assert.ok(file.length >= blocks * BLOCK && file.length % BLOCK === 0, `${path} has ${file.length} bytes`)
    for (let block = 0; block < file.length / BLOCK; block++) {
      const count = assertWhole(file.subarray(block * BLOCK, (block + 1) * BLOCK), name, block)
      const newest = this.#start.truth[truthAt(name, block)]!
      // A thread that died may have counted a change that it did not release.
      if (flush && block < this.#least.get(name)! && count !== newest && count !== newest - 1)
        throw new Error(`block ${block} of ${path} has ${count} of ${newest} changes`)
    }
  }

  async #resize(name: number): Promise<void> {
    const partition = this.cache.partition(NAMES[name]!)
    const blocks = 2 + this.below(40)
    try {
      await partition.resize(blocks)
      this.#least.set(name, Math.min(blocks, this.#least.get(name)!))
      this.counts.sizes++
      assert.ok(statSync(this.#paths.get(NAMES[name]!)!).size >= blocks * BLOCK)
    } catch (error) {
      if ((error as { code: string }).code !== 'ERR_DCACHE_GUARDS_HELD') throw error
      this.counts.held++
    }
  }

  /** Other settings, and now and then some more frames. */
  configure(): void {
    const dirtyLimit = (2 + this.below(8)) / 10
    const flushDelayMs = this.below(40)
    const frames = Math.min(FRAMES_MAX, this.cache.stats().size + this.below(3))
    this.cache.configure({ dirtyLimit, flushDelayMs, memory: memoryFor(FRAMES) + (frames - FRAMES) * BLOCK })
    this.counts.settings++
  }

  async dropAll(): Promise<void> {
    for (const [name, text] of NAMES.entries()) if (this.#paths.has(text)) await this.drop(name, true)
  }
}

test('partitions that come, grow and go under load', async () => {
  using folder = tempFolder()
  const seed = Number(process.env['DCACHE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const base = { path: join(folder.path, 'base'), blockSize: BLOCK, size: 64 * BLOCK }
  const cache = await openCache({
    memory: memoryFor(FRAMES),
    memoryMax: memoryFor(FRAMES) + (FRAMES_MAX - FRAMES) * BLOCK,
    partitions: { base },
    maxPartitions: NAMES.length + 1,
    flushDelayMs: 20,
  })
  const churn = new Churn(cache, folder.path, seed)
  try {
    for (let i = 0; i < THREADS; i++) churn.startThread()
    for (let i = 0; i < NAMES.length; i++) await churn.change()
    await until('the threads are at work', () => churn.calls > 100)
    const endMs = performance.now() + SECONDS * 1000
    let killAtMs = performance.now() + KILL_MS
    // A machine that is busy with other work needs longer for calls that are worth the name.
    while ((performance.now() < endMs || churn.calls <= 1000) && churn.errors.length === 0) {
      await churn.change()
      if (churn.below(8) === 0) churn.configure()
      await new Promise((resolve) => setTimeout(resolve, churn.below(10)))
      if (performance.now() < killAtMs) continue
      await churn.kill()
      killAtMs += KILL_MS
    }
    await churn.endThreads()
    assert.equal(churn.errors, [], `seed ${seed}`)
    await churn.dropAll()
    await until('the dead are reaped', () => cache.stats().blocks.held === 0)
    assertSound(cache)
    await cache.close()
  } catch (error) {
    await churn.endThreads()
    await cache.abandon()
    throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
  }
  if (isLinux) assert.is(descriptorsIn(folder.path), 0)
  const again = await openCache({ memory: memoryFor(16), partitions: { base } })
  await again.close()
  console.log(`\n# seed ${seed}, ${SECONDS} s: ${churn.calls} calls, ${JSON.stringify(churn.counts)}`)
})

test.run()
