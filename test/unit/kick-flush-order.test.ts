// When rounds run and in which order they write: `kick`, the delayed kick, and a flush, which waits for a round that began
// after its call; then the classes one by one, each synced in every partition before the next. The trace shows what
// happened, in order. The file follows the ancestor's `flushproc`, `parallelwrites` and `writeproc`.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache, Partition, TraceRecord } from 'dcache'
import { until, withCache } from '../support/open.js'

const fill = (partition: Partition, block: number, byte: number, writeClass?: string) =>
  partition.write(new Uint8Array(partition.blockSize).fill(byte), block * partition.blockSize, writeClass)

/** The trace records of the rounds' work, in order, without those of whole rounds. */
const work = (cache: BlockCache): TraceRecord[] =>
  cache.trace().filter(({ point }) => point.startsWith('work.') && point !== 'work.round')

const rounds = suite('kick, delayed kick and flush')

rounds('kick starts a round and does not wait for it', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await fill(data, 0, 7)
    cache.kick()
    await until('the round', () => cache.stats().rounds === 1)
    assert.is(onDisk(0)[0], 7)
    assert.is(cache.stats().flushes, 0)
  }),
)

rounds('a delayed kick starts one round, after the delay', () =>
  withCache({ flushDelayMs: 100 }, async ({ cache, data }) => {
    await fill(data, 0, 7)
    const startMs = performance.now()
    await until('the round', () => cache.stats().rounds > 0)
    assert.ok(performance.now() - startMs >= 50, 'not before its time')
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.is(cache.stats().rounds, 1)
  }),
)

rounds('the delay starts again with the next dirty block', () =>
  withCache({ flushDelayMs: 30 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i <= 4; i++) {
      await fill(data, 0, i)
      // Not `dirty`: the release may still be left to the flush worker, which is just finishing the round before.
      await until(`round ${i}`, () => onDisk(0)[0] === i)
    }
    // The writer holds the block until its call has returned.
    await until('the end of the round', () => cache.stats().dirty === 0)
  }),
)

rounds('flush resolves when all changes released before the call are on the disk', () =>
  withCache({ cached: 60, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i <= 10; i++) {
      for (let block = 0; block < 30; block++)
        await fill(data, block, i, ['data', 'directory', 'trailer'][block % 3])
      await cache.flush()
      for (let block = 0; block < 30; block++) assert.is(onDisk(block)[100], i)
    }
  }),
)

rounds('a flush during a round waits for a round that began after its call', () =>
  withCache({ cached: 60, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i <= 30; i++) {
      await fill(data, 0, i)
      cache.kick()
      await fill(data, 1, i)
      const flushed = cache.flush()
      await fill(data, 2, i)
      await flushed
      assert.is(onDisk(1)[100], i)
    }
    await cache.flush()
  }),
)

rounds('a clean cache runs no rounds, not for kick, not for flush, and none later', () =>
  withCache({ flushDelayMs: 20 }, async ({ cache, data }) => {
    for (let block = 0; block < 10; block++) (await data.acquire(block, 'read')).release()
    cache.kick()
    await cache.flush()
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.is(cache.stats().rounds, 0)
    await fill(data, 0, 1)
    await cache.flush()
    const { rounds } = cache.stats()
    await cache.flush()
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.is(cache.stats().rounds, rounds)
  }),
)

rounds.run()

const order = suite('the order of writes in a round')

order('a round writes class by class, and in each by ascending block number', () =>
  withCache({ cached: 40, flushDelayMs: 1e9, traceEntries: 1024 }, async ({ cache, data }) => {
    const classes = ['data', 'directory', 'trailer']
    for (let i = 0; i < 24; i++) {
      const block = (i * 7) % 24
      await fill(data, block, 1, classes[2 - (block % 3)])
    }
    await cache.flush()
    const written = work(cache).filter(({ point }) => point === 'work.write').map(({ block }) => block) // prettier-ignore
    const ofClass = (remainder: number) => Array.from({ length: 8 }, (_, i) => 3 * i + remainder)
    assert.equal(written, [...ofClass(2), ...ofClass(1), ...ofClass(0)])
    assert.equal(
      work(cache).map(({ point, value }) => (point === 'work.stage' ? `${point} ${value}` : point)),
      [
        'work.cut',
        ...[1, 2, 3].flatMap((n) => [`work.stage ${n}`, ...Array<string>(8).fill('work.write')]),
        'work.done',
      ],
    )
  }),
)

order('a round skips the stage of a class without changes', () =>
  withCache({ flushDelayMs: 1e9, traceEntries: 64 }, async ({ cache, data }) => {
    await fill(data, 1, 1, 'trailer')
    await fill(data, 0, 1, 'data')
    await cache.flush()
    const stages = work(cache).filter(({ point }) => point === 'work.stage').map(({ value }) => value) // prettier-ignore
    assert.equal(stages, [1, 3])
  }),
)

order('the order of classes is that of writeOrder', () =>
  withCache({ flushDelayMs: 1e9, traceEntries: 64, writeOrder: ['z', 'y', 'x'] }, async ({ cache, data }) => {
    await fill(data, 0, 1, 'x')
    await fill(data, 1, 1, 'y')
    await fill(data, 2, 1, 'z')
    await cache.flush()
    const written = work(cache).filter(({ point }) => point === 'work.write').map(({ block }) => block) // prettier-ignore
    assert.equal(written, [2, 1, 0])
  }),
)

order.run()

const parallel = suite('stages: all partitions at once, all synced before the next class')

parallel('each stage writes all partitions and ends before the next begins', () =>
  withCache(
    {
      cached: 40,
      flushDelayMs: 1e9,
      traceEntries: 1024,
      partitions: { a: {}, b: { blockSize: 1024 }, c: {} },
    },
    async ({ cache, onDisk }) => {
      for (let block = 0; block < 4; block++) {
        for (const name of ['c', 'a', 'b']) {
          await fill(cache.partition(name), block, 50 + block, ['data', 'trailer'][block % 2])
        }
      }
      await cache.flush()
      const stages: string[][] = []
      for (const { point, partition, block } of work(cache)) {
        if (point === 'work.stage') stages.push([])
        if (point === 'work.write') stages.at(-1)!.push(`${'abc'[partition]!}${block}`)
      }
      assert.equal(
        stages.map((stage) => stage.sort()),
        [
          ['a0', 'a2', 'b0', 'b2', 'c0', 'c2'],
          ['a1', 'a3', 'b1', 'b3', 'c1', 'c3'],
        ],
      )
      // Each partition has one writer, and no other thread writes to it.
      const writers = new Set(work(cache).filter(({ point }) => point === 'work.write').map(({ partition, slot }) => `${partition} ${slot}`)) // prettier-ignore
      assert.equal([...writers].sort(), ['0 2', '1 3', '2 4'])
      for (const name of ['a', 'b', 'c'])
        for (let block = 0; block < 4; block++) assert.is(onDisk(block, name)[500], 50 + block)
    },
  ),
)

parallel('written blocks are clean and may be evicted again', () =>
  withCache({ cached: 20, flushDelayMs: 1e9, dirtyLimit: 1 }, async ({ cache, data }) => {
    for (let block = 0; block < 20; block++) await fill(data, block, 3)
    await cache.flush()
    assert.equal(cache.stats().blocks, { free: 0, clean: 20, dirty: 0, absent: 0, held: 0 })
    for (let block = 20; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.stats().evictions, 20)
  }),
)

parallel.run()

const idle = suite('an idle clean cache')

idle('it runs no rounds after its dirty blocks were written', () =>
  withCache({ flushDelayMs: 10 }, async ({ cache, data }) => {
    for (let i = 0; i < 3; i++) {
      await fill(data, 0, i)
      // A block becomes clean before the round that wrote it ends.
      await until('its round', () => cache.stats().dirty === 0 && cache.stats().rounds > i)
      const { rounds } = cache.stats()
      await new Promise((resolve) => setTimeout(resolve, 200))
      assert.is(cache.stats().rounds, rounds, '20 delays later')
      assert.ok(rounds <= i + 1, `${rounds} rounds for ${i + 1} changes`)
    }
  }),
)

idle.run()
