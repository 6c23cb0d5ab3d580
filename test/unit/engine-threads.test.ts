// @deadline 300
// The engine's own threads: each starts when it is first needed and not before. Nothing is lost and no call waits for ever
// when a thread ends, or cannot be started, at its first use.

import { spawn } from 'node:child_process'
import type * as fs from 'node:fs'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type * as dcache from 'dcache'
import { type CacheClient, openCache } from 'dcache'
import { Job, JobState, Partition, Slot, SlotState } from '#dist/shared/words.js'
import { readerSlot, writerSlot } from '#dist/shared/layout.js'
import { type Bench, Gates, settled, startThread, until, withCache, writeBlocks } from '../support/open.js'
import { onlyNormal, sample } from '../support/size.js'
import { tempFolder } from '../support/temp.js'

/** Runs a body with the list of workers that are created during it. */
async function withWorkers(body: (workers: Worker[]) => Promise<void>): Promise<void> {
  const workers: Worker[] = []
  const note = (worker: Worker) => {
    workers.push(worker)
  }
  process.on('worker', note)
  try {
    await body(workers)
  } finally {
    process.off('worker', note)
  }
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `p${i}`)
const isLive = ({ arena }: Bench, slot: number) =>
  Atomics.load(arena.words, arena.slotAt(slot) + Slot.state) === SlotState.LIVE
const hasLeft = ({ arena }: Bench, writer: number) =>
  Atomics.load(arena.words, arena.slotAt(writerSlot(writer)) + Slot.state) === SlotState.FREE &&
  Atomics.load(arena.words, arena.jobAt(writer) + Job.state) === JobState.IDLE
const isResting = ({ cache, arena }: Bench, partition: string) => {
  const { index } = cache.stats().partitions[partition]!
  return Atomics.load(arena.words, arena.partitionAt(index) + Partition.changed) === 0
}
const turns = (count: number) => new Promise((resolve) => setTimeout(resolve, count))

const lazy = suite('the threads of the engine start when they are needed')

lazy('64 partitions that are only read need only the flush worker', () =>
  withWorkers((workers) =>
    withCache(
      {
        cached: 64,
        partitions: Object.fromEntries(
          names(64).map((name, i) => [name, { blocks: 2, readOnly: i % 2 === 0 }]),
        ),
      },
      async ({ cache }) => {
        for (const name of names(64)) await cache.partition(name).read(new Uint8Array(10), 512)
        await cache.flush()
        await turns(50)
        assert.is(workers.length, 1)
        assert.is(cache.stats().threads, 2, 'the owner and the flush worker')
      },
    ),
  ),
)

lazy('a writer starts with the first change of a partition, not with the first round', () =>
  withWorkers((workers) =>
    withCache(
      {
        cached: 64,
        flushDelayMs: 1e9,
        partitions: Object.fromEntries(names(5).map((name) => [name, { blocks: 2 }])),
      },
      async (bench) => {
        const { cache } = bench
        // All are of one group: only the first change starts the clock of the delayed kick.
        for (const [i, partition] of [1, 3].entries()) {
          await cache.partition(`p${partition}`).write(new Uint8Array(8).fill(7), 512)
          await until('the writer', () => isLive(bench, writerSlot(i)))
          assert.is(workers.length, 2 + i)
        }
        assert.is(cache.stats().rounds, 0)
        await cache.flush()
        assert.equal(
          [0, 1, 2, 3, 4].map((i) => isLive(bench, writerSlot(i))),
          [true, true, false, false, false],
        )
        for (const i of [1, 3]) assert.is(bench.onDisk(1, `p${i}`)[0], 7)
        assert.is(workers.length, 3)
      },
    ),
  ),
)

lazy('a writer leaves after a quiet time, and the next change gets another one', () =>
  withWorkers((workers) =>
    withCache({ cached: 64, flushDelayMs: 1e9 }, async (bench) => {
      for (const value of [7, 8]) {
        // The second change comes when the writer has given its slot back; the owner may not know yet that its thread has ended.
        await bench.data.write(new Uint8Array(8).fill(value), 512)
        await until('the writer', () => isLive(bench, writerSlot(0)))
        await bench.cache.flush()
        assert.is(bench.onDisk(1)[0], value)
        await until('it has left', () => hasLeft(bench, 0))
        // A partition rests after its writer has left; before that, only a round calls for another one.
        await until('the partition rests', () => isResting(bench, 'data'))
      }
      assert.is(workers.length, 3, 'the flush worker, and a writer each time')
      assert.is(bench.cache.stats().threads, 2)
    }),
  ),
)

lazy('the reader starts with the first hint', () =>
  withCache({ cached: 64 }, async (bench) => {
    assert.not(isLive(bench, readerSlot({ writers: 1 })))
    bench.data.prefetch(3, 4)
    await until('it is loaded', () => bench.cache.stats().prefetch.loaded === 4)
    await settled(bench.cache)
  }),
)

lazy('the cache may be closed at any moment of a start, and no thread is left', async () => {
  for (const end of ['close', 'abandon'] as const) {
    for (const afterMs of sample([0, 1, 3, 10, 30, 60], 2)) {
      await withWorkers(async (workers) => {
        using folder = tempFolder()
        const path = join(folder.path, 'p')
        writeBlocks(path, 64)
        const cache = await openCache({ memory: 64 * 512, partitions: { p: { path, blockSize: 512 } } })
        await cache.partition('p').write(new Uint8Array(8).fill(7), 0)
        cache.partition('p').prefetch(9, 3)
        await turns(afterMs)
        await cache[end]()
        assert.equal(
          workers.map(({ threadId }) => threadId),
          workers.map(() => -1),
          `after ${afterMs} ms`,
        )
        if (end === 'close') assert.is(readFileSync(path)[0], 7)
      })
    }
  }
})

lazy('a process that changes a block and never flushes ends', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'p')
  writeBlocks(path, 64)
  const program = `
    import { openCache } from ${JSON.stringify(import.meta.resolve('dcache'))}
    const cache = await openCache({ memory: 65536, flushDelayMs: 1e9, partitions: { p: { path: ${JSON.stringify(path)}, blockSize: 512 } } })
    await cache.partition('p').write(Buffer.from('x'), 0)
    cache.partition('p').prefetch(5, 1)
    console.log('end of the program')`
  assert.equal(await runNode(['--input-type=module', '-e', program]), { out: 'end of the program', code: 0 })
})

lazy.run()

const mishaps = suite('a thread of the engine ends or cannot start when it is first needed')

for (const afterMs of sample([0, 1, 5, 20, 50], 2)) {
  mishaps(`nothing is lost when the flush worker ends ${afterMs} ms after the first change`, () =>
    withWorkers((workers) =>
      withCache({ cached: 32, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
        for (let i = 1; i <= 4; i++) {
          await data.write(new Uint8Array(8).fill(i), i * 512)
          await turns(afterMs)
          void workers.find(({ threadId }) => threadId !== -1)!.terminate()
          await cache.flush()
          assert.is(onDisk(i)[0], i)
        }
      }),
    ),
  )
}

mishaps('nothing is lost when writers end as soon as they start, repeatedly', async () => {
  let left = 6
  const kill = (worker: Worker) => {
    if (left-- > 0) void worker.terminate()
  }
  await withCache({ cached: 32, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    process.on('worker', kill)
    try {
      await data.write(new Uint8Array(8).fill(5), 512)
      await cache.flush()
      assert.is(onDisk(1)[0], 5)
      await until('all writers to end', () => left <= 0)
    } finally {
      process.off('worker', kill)
    }
    await data.write(new Uint8Array(8).fill(6), 512)
    await cache.flush()
    assert.is(onDisk(1)[0], 6)
  })
})

mishaps('the first changes of other threads are flushed while the owner’s event loop is busy', () =>
  withCache(
    { cached: 64, flushDelayMs: 1e9, partitions: { a: { blocks: 16 }, b: { blocks: 16, group: 'other' } } },
    async ({ cache, onDisk }) => {
      const gates = new Gates()
      const body = ({
        client,
        open,
        pass,
      }: {
        client: CacheClient
        open: (gate: number) => void
        pass: (gate: number) => void
      }) => {
        open(0)
        pass(1)
        for (const name of ['a', 'b'])
          for (let block = 0; block < 16; block++)
            client.partition(name).writeSync(new Uint8Array(8).fill(block + 1), block * 512)
        for (let i = 0; i < 3; i++) {
          client.partition('a').writeSync(new Uint8Array(8).fill(9), 512)
          client.flushSync()
        }
        open(2)
      }
      const { result } = startThread(cache.handle, 0, body, { gates })
      await gates.opened(0)
      gates.open(1)
      gates.sleepUntilOpened(2)
      for (const name of ['a', 'b'])
        for (let block = 2; block < 16; block++) assert.is(onDisk(block, name)[0], block + 1)
      assert.is(onDisk(1, 'a')[0], 9)
      await result
      // The writers start when the loop is free, and do the next job.
      await cache.partition('a').write(new Uint8Array(8).fill(3), 0)
      await cache.flush()
      assert.is(onDisk(0, 'a')[0], 3)
    },
  ),
)

onlyNormal(
  mishaps,
  'without free descriptors nothing breaks, and a flush continues as soon as some are free',
  async () => {
    using folder = tempFolder()
    const path = join(folder.path, 'p')
    writeBlocks(path, 64)
    const program = join(folder.path, 'program.mjs')
    writeFileSync(
      program,
      `(${hungry.toString()})(await import(${JSON.stringify(import.meta.resolve('dcache'))}), ${JSON.stringify(path)}, await import('node:fs'))`,
    )
    // Enough for the modules of a thread, which Node opens all at once.
    const { out, code } = await runNode([program], 'ulimit -n 128')
    assert.is(
      out
        .split('\n')
        .filter((line) => !line.startsWith('('))
        .join('; '),
      [
        'without a writer: flushed',
        'warned: DCACHE_WORKER',
        'without a flush worker: ERR_DCACHE_TIMEOUT, the flush worker has ended',
        'with descriptors: flushed',
        'closed',
        'abandoned while there are none',
      ].join('; '),
    )
    assert.is(code, 0)
    assert.equal([...readFileSync(path).subarray(0, 3)], [1, 2, 3])
  },
)

type Dcache = Pick<typeof dcache, 'openCache'>
type Fs = Pick<typeof fs, 'closeSync' | 'openSync'>

/** Runs in a process of its own, which has few descriptors. */
async function hungry({ openCache }: Dcache, path: string, fs: Fs): Promise<void> {
  const workers: Worker[] = []
  process.on('worker', (worker) => workers.push(worker))
  let warned = ''
  process.on('warning', ({ code }: Error & { code?: string }) => (warned ||= code ?? ''))
  const taken: number[] = []
  const starve = () => {
    try {
      for (;;) taken.push(fs.openSync('/dev/null', 'r'))
    } catch {
      // No descriptor is left.
    }
  }
  const feed = () => {
    for (const fd of taken.splice(0)) fs.closeSync(fd)
  }
  const open = () =>
    openCache({ memory: 65536, flushDelayMs: 1e9, partitions: { p: { path, blockSize: 512 } } })
  const cache = await open()
  const p = cache.partition('p')
  starve()
  await p.write(new Uint8Array([1]), 0)
  await cache.flush()
  console.log(`without a writer: flushed${cache.stats().threads > 2 ? ' by a writer' : ''}`)
  await p.write(new Uint8Array([1, 2]), 0)
  const ended = new Promise((resolve) => workers[0]!.once('exit', resolve))
  void workers[0]!.terminate()
  await ended
  const error = await cache.flush().catch((error: unknown) => error as Error)
  console.log(`warned: ${warned}`)
  console.log(
    error === undefined
      ? 'flushed without a flush worker'
      : `without a flush worker: ${(error as Error & { code: string }).code}, ${/the flush worker has ended/.exec(error.message)?.[0] ?? error.message}`,
  )
  const flushed = (async () => {
    await p.write(new Uint8Array([1, 2, 3]), 0)
    await cache.flush()
  })()
  feed()
  await flushed
  console.log('with descriptors: flushed')
  await cache.close()
  console.log('closed')
  const second = await open()
  await second.partition('p').write(new Uint8Array([9]), 512)
  starve()
  void workers.at(-1)!.terminate()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await second.abandon()
  console.log('abandoned while there are none')
}

/** The output of a Node process and its exit code. */
async function runNode(args: string[], before = ':'): Promise<{ out: string; code: number | null }> {
  const child = spawn('bash', ['-c', `${before}; exec "$0" "$@"`, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (out += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { out: out.trim(), code }
}

mishaps.run()
