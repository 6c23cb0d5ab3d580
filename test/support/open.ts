// A real engine on temporary files with known contents: `withCache` opens it, checks it after the test, and always closes
// it. Also helpers for tests: expected refusals, threads that use the cache, and gates at which threads wait for each
// other.

import { openSync, closeSync, writeSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  type BlockCache,
  type CacheClient,
  CacheError,
  type CacheErrorCode,
  type CacheHandle,
  type CacheOptions,
  openCache,
  type Partition,
  type PartitionOptions,
} from 'dcache'
import type { Arena } from '#dist/shared/arena.js'
import { openArena } from '#dist/workers/attach.js'
import * as assert from 'uvu/assert'
import { tempFolder } from './temp.js'

/** How long a test waits for an event that must happen. Long, because the machine may be busy. */
export const PATIENCE_MS = 60_000

export interface FileOptions extends Omit<PartitionOptions, 'path' | 'blockSize'> {
  /** Default 512. */
  blockSize?: number
  /** How many blocks its file has. Default 64. */
  blocks?: number
}

export interface OpenOptions extends Omit<CacheOptions, 'memory' | 'partitions'> {
  /** How many blocks the cache can hold, in addition to its spares. Default 16. */
  cached?: number
  memory?: number | string
  /** Default: one partition, `data`. */
  partitions?: Record<string, FileOptions>
}

export interface Bench {
  readonly cache: BlockCache
  /** The first partition. */
  readonly data: Partition
  /** The shared words. */
  readonly arena: Arena
  /** The paths of the partitions' files. */
  readonly paths: Readonly<Record<string, string>>
  /** The contents of a block on the disk. */
  readonly onDisk: (block: number, partition?: string) => Uint8Array
}

/** How many bytes of memory the engine needs for this many blocks, with their spares. */
export function memoryFor(cached: number, blockSize = 512, groups = 1): number {
  let frames = cached
  while (frames - groups * Math.max(2, Math.floor(frames / 64 / groups)) < cached) frames++
  return frames * blockSize
}

/** The initial contents of a block in its file, different for every block. */
export function blockBytes(block: number, blockSize = 512, file = 0): Uint8Array {
  const bytes = new Uint8Array(blockSize).fill(1 + ((block * 7 + file * 101) % 250))
  new DataView(bytes.buffer).setUint32(0, block + file * 1_000_000)
  return bytes
}

export function writeBlocks(path: string, blocks: number, blockSize = 512, file = 0): void {
  const fd = openSync(path, 'w')
  for (let block = 0; block < blocks; block++) writeSync(fd, blockBytes(block, blockSize, file))
  closeSync(fd)
}

/** A private copy of bytes in shared memory, to compare. */
export const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

/**
 * Runs a test with a cache on files with known contents. Afterwards no guard may be held, `check` must find nothing, and the
 * cache is closed.
 */
export async function withCache(
  options: OpenOptions,
  body: (bench: Bench) => Promise<void> | void,
): Promise<void> {
  const { cached = 16, memory, partitions = { data: {} }, ...rest } = options
  using folder = tempFolder()
  const paths: Record<string, string> = {}
  const opened: Record<string, PartitionOptions> = {}
  Object.entries(partitions).forEach(([name, { blocks = 64, blockSize = 512, ...more }], i) => {
    const path = join(folder.path, name)
    writeBlocks(path, blocks, blockSize, i)
    paths[name] = path
    opened[name] = { path, blockSize, ...more }
  })
  const frameSize = Math.max(...Object.values(opened).map(({ blockSize }) => blockSize))
  const groups = new Set(Object.values(opened).map(({ group }) => group)).size
  const cache = await openCache({
    memory: memory ?? memoryFor(cached, frameSize, groups),
    partitions: opened,
    // Rounds begin only by a call, at the dirty limit or after the delay.
    dirtyBackground: 1,
    ...rest,
  })
  const names = Object.keys(opened)
  const bench: Bench = {
    cache,
    data: cache.partition(names[0]!),
    arena: openArena(cache.handle),
    paths,
    onDisk(block, name = names[0]!) {
      const { blockSize, offset = 0 } = opened[name]!
      const start = Number(offset) + block * blockSize
      return new Uint8Array(readFileSync(paths[name]!).subarray(start, start + blockSize))
    },
  }
  let isWell = false
  try {
    await body(bench)
    await settled(cache)
    assertSound(cache)
    isWell = true
  } finally {
    // After a failure guards may be held: close would be refused and hide the failure.
    if (isWell) await cache.close()
    else await cache.abandon()
  }
}

/**
 * Waits until no block is held. A release may be left to the thread that holds the round mutex (src/core/changes/pending.ts): a test
 * that looks at the block from outside, or uses it in a Sync call, waits for that.
 */
export const settled = (cache: BlockCache): Promise<void> =>
  until('the releases to be finished', () => cache.stats().blocks.held === 0)

/** The threads of the engine, which may read ahead or write at any time. */
const isEngine = (name: string): boolean => /^(reader|writer|flush worker)/.test(name)

/**
 * Asserts that every invariant holds and that no guard is held. Threads of the engine may hold blocks; that they hold none in the
 * end is what `settled` waits for.
 */
export function assertSound(cache: BlockCache): void {
  assert.equal(cache.check(), [])
  assert.equal(
    cache.holders().filter(({ what, name }) => what === 'holds' && !isEngine(name)),
    [],
  )
}

/** Asserts that a call fails with a CacheError of this code and with all these texts in the message; returns the error. */
export async function refusal(
  code: CacheErrorCode,
  call: () => unknown,
  ...texts: (string | number)[]
): Promise<CacheError> {
  let result: unknown
  try {
    result = await call()
  } catch (error) {
    return assertRefusal(code, error, ...texts)
  }
  await (result as AsyncDisposable | undefined)?.[Symbol.asyncDispose]?.()
  throw new Error(`nothing was refused; ${code} was expected`)
}

/** The same for a call that must throw synchronously. */
export function refusalNow(
  code: CacheErrorCode,
  call: () => unknown,
  ...texts: (string | number)[]
): CacheError {
  try {
    call()
  } catch (error) {
    return assertRefusal(code, error, ...texts)
  }
  throw new Error(`nothing was refused; ${code} was expected`)
}

export function assertRefusal(
  code: CacheErrorCode,
  error: unknown,
  ...texts: (string | number)[]
): CacheError {
  if (!(error instanceof CacheError)) throw new Error(`not a CacheError: ${String(error)}`, { cause: error })
  assert.is(error.code, code, `${error.code}: ${error.message}`)
  for (const text of texts) {
    assert.ok(error.message.includes(String(text)), `'${text}' is not in: ${error.message}`)
  }
  return error
}

/** Waits until the condition holds; fails after `PATIENCE_MS`. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const QUIET_MS = 50

/** Waits until no block has been held for a while. One look is not enough: the reader may be between two hints. */
export async function untilQuiet(cache: BlockCache): Promise<void> {
  let sinceMs = performance.now()
  await until('quiet', () => {
    if (cache.stats().blocks.held > 0) sinceMs = performance.now()
    return performance.now() - sinceMs > QUIET_MS
  })
}

/** Points at which threads wait for each other. */
export class Gates {
  readonly words = new Int32Array(new SharedArrayBuffer(256))

  open(gate: number): void {
    Atomics.store(this.words, gate, 1)
    Atomics.notify(this.words, gate)
  }

  /** Blocks the calling thread. */
  sleepUntilOpened(gate: number): void {
    if (Atomics.wait(this.words, gate, 0, PATIENCE_MS) === 'timed-out')
      throw new Error(`gate ${gate} stayed shut`)
  }

  async opened(gate: number): Promise<void> {
    await until(`gate ${gate}`, () => Atomics.load(this.words, gate) !== 0)
  }
}

/**
 * What the body of a thread gets. The body may use only this and globals, and no `using`, because
 * its text is sent to the thread.
 */
export interface ThreadContext<A> {
  readonly client: CacheClient
  readonly args: A
  /** Opens a gate. */
  readonly open: (gate: number) => void
  /** Blocks the thread until a gate is open. */
  readonly pass: (gate: number) => void
  /** Milliseconds for waits. */
  readonly patienceMs: number
}

export interface Thread<T> {
  readonly worker: Worker
  readonly result: Promise<T>
}

/**
 * Runs a function in a worker thread that is attached to the cache. CacheErrors of the thread arrive as CacheErrors. The
 * thread stays attached until it ends, unless the function detaches it.
 */
export function startThread<A, T>(
  handle: CacheHandle,
  args: A,
  body: (context: ThreadContext<A>) => T | Promise<T>,
  { gates = new Gates(), mayBlock = true, name }: { gates?: Gates; mayBlock?: boolean; name?: string } = {},
): Thread<T> {
  const worker = new Worker(new URL('./open-thread.js', import.meta.url), {
    workerData: {
      handle,
      args,
      text: body.toString(),
      gates: gates.words,
      mayBlock,
      name,
      patienceMs: PATIENCE_MS,
    },
  })
  const result = new Promise<T>((resolve, reject) => {
    let answer: { result: T } | { error: unknown } | undefined
    worker.once('message', (message: { result: T } | { error: unknown }) => (answer = message))
    worker.once('error', reject)
    // Settled only when the thread has ended, because its slot is free by then.
    worker.once('exit', (exitCode) => {
      if (answer === undefined) reject(new Error(`the thread ended with ${exitCode}, without an answer`))
      else if ('error' in answer) {
        const error = CacheError.from(answer.error)
        reject(error instanceof Error ? error : new Error(String(error)))
      } else resolve(answer.result)
    })
  })
  // A test that never awaits the result, of a terminated thread for example, does not care how it failed.
  result.catch(() => undefined)
  return { worker, result }
}

/** The same, awaited. */
export function inThread<A, T>(
  handle: CacheHandle,
  args: A,
  body: (context: ThreadContext<A>) => T | Promise<T>,
  options?: { gates?: Gates; mayBlock?: boolean },
): Promise<T> {
  return startThread(handle, args, body, options).result
}
