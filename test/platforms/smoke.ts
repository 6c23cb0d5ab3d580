// What a program needs of dcache, in one process: run by each runtime and processor under test. Prints one line of JSON: for
// each part what it found, `ok` if all was right; and hashes, which must be the same everywhere.
//
//   node build/test/platforms/smoke.js FOLDER

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { arch, argv, version, versions } from 'node:process'
import { Worker } from 'node:worker_threads'
import { type BlockCache, openCache } from 'dcache'
import { hashOf } from '#dist/shared/hash.js'
import type { SmokeTask } from './smoke-thread.js'

const BLOCK = 4096
const BLOCKS = 64
const folder = argv[2] ?? '.'

const open = (name: string, more: Partial<Parameters<typeof openCache>[0]> = {}): Promise<BlockCache> =>
  openCache({
    memory: 32 * BLOCK,
    partitions: { data: { path: join(folder, name), blockSize: BLOCK, size: BLOCKS * BLOCK } },
    ...more,
  })

/** Runs tasks in threads of their own; returns what each of them answers. */
async function inThreads(cache: BlockCache, tasks: readonly Omit<SmokeTask, 'handle'>[]): Promise<unknown[]> {
  const workers = tasks.map(
    (task) =>
      new Worker(new URL('./smoke-thread.js', import.meta.url), {
        workerData: { ...task, handle: cache.handle },
      }),
  )
  const answers = await Promise.all(
    workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown),
  )
  await Promise.all(workers.map((worker) => worker.terminate()))
  return answers
}

const expect = (what: string, found: unknown, wanted: unknown): void => {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`)
}

/** Every block's number in each of its words, through both policies and many evictions. */
async function contents(policy: 'lru2' | 'adaptive'): Promise<void> {
  await using cache = await open(`contents-${policy}`, { policy })
  const data = cache.partition('data')
  const block = (n: number) => Buffer.from(new Int32Array(BLOCK / 4).fill(n).buffer)
  for (let n = 0; n < BLOCKS; n++) await data.write(block(n), n * BLOCK)
  await cache.flush()
  const found = new Uint8Array(3 * BLOCK)
  for (let n = 0; n < BLOCKS - 3; n += 3) {
    await data.read(found, n * BLOCK)
    expect(`blocks ${n}`, Buffer.compare(found, Buffer.concat([block(n), block(n + 1), block(n + 2)])), 0)
  }
  expect('check', cache.check(), [])
  await cache.close()
  expect(
    'the file',
    Buffer.compare(readFileSync(join(folder, `contents-${policy}`)).subarray(BLOCK, 2 * BLOCK), block(1)),
    0,
  )
}

const parts: Record<string, () => Promise<void>> = {
  'contents, lru2': () => contents('lru2'),
  'contents, adaptive': () => contents('adaptive'),
  'threads that change the same blocks': async () => {
    await using cache = await open('threads')
    const answers = await inThreads(cache, Array(3).fill({ kind: 'count', times: 300 }) as SmokeTask[])
    expect('answers', answers, ['done', 'done', 'done'])
    let sum = 0
    for (let n = 0; n < 4; n++) {
      using guard = await cache.partition('data').acquire(n, 'read')
      const words = new Int32Array(guard.data.buffer, guard.data.byteOffset, BLOCK / 4)
      expect(`block ${n}`, words.at(-1), words[0])
      sum += words[0]!
    }
    expect('changes', sum, 900)
    expect('check', cache.check(), [])
  },
  'copies next to changes': async () => {
    await using cache = await open('copies')
    const tasks = [{ kind: 'count', times: 2000 }, { kind: 'copy', times: 2000 }] as const // prettier-ignore
    expect('answers', await inThreads(cache, tasks), ['done', 'done'])
  },
  'a thread that ends while it changes a block': async () => {
    await using cache = await open('ends')
    await cache.partition('data').write(Buffer.from('before'), 0)
    expect('answer', await inThreads(cache, [{ kind: 'hold', times: 1 }]), ['held'])
    const found = Buffer.alloc(6)
    await cache.partition('data').read(found, 0)
    expect('block 0', found.toString(), 'before')
    expect('check', cache.check(), [])
  },
  'a call that waits without blocking, and is aborted': async () => {
    await using cache = await open('waits')
    const data = cache.partition('data')
    const guard = await data.acquire(0, 'modify')
    const waiting = data.acquire(0, 'read')
    const aborted = await data
      .acquire(0, 'read', { signal: AbortSignal.timeout(20) })
      .catch((error: unknown) => error)
    expect('code', (aborted as { code?: unknown }).code, 'ERR_DCACHE_ABORTED')
    guard.release()
    ;(await waiting).release()
  },
  'direct reads and writes': async () => {
    const partitions = {
      data: { path: join(folder, 'direct'), blockSize: BLOCK, size: BLOCKS * BLOCK, direct: true },
    }
    await using cache = await openCache({ memory: 32 * BLOCK, partitions })
    await cache.partition('data').write(Buffer.from('direct'), BLOCK)
    await cache.flush()
    expect('the file', readFileSync(join(folder, 'direct')).toString('latin1', BLOCK, BLOCK + 6), 'direct')
  },
  'errors with a code': async () => {
    await using cache = await open('errors')
    const codeOf = (call: () => unknown) =>
      Promise.resolve()
        .then(call)
        .then(() => 'none', (error: unknown) => (error as { code?: string }).code) // prettier-ignore
    expect(
      'no such block',
      await codeOf(() => cache.partition('data').acquire(BLOCKS, 'read')),
      'ERR_DCACHE_OUT_OF_RANGE',
    )
    expect('open twice', await codeOf(() => open('errors')), 'ERR_DCACHE_IN_USE')
    expect('bad option', await codeOf(() => open('other', { memory: 1.5 })), 'ERR_DCACHE_BAD_OPTION')
  },
}

const found: Record<string, string> = {}
for (const [name, part] of Object.entries(parts))
  found[name] = await part().then(
    () => 'ok',
    (error: unknown) => String(error),
  )
const hashes = Array.from({ length: 64 }, (_, i) => hashOf(1 << 20, 1 + (i % 5), Math.imul(i, 0x9e3779b1)))
console.log(JSON.stringify({ arch, version: versions['bun'] ?? version, found, hashes }))
