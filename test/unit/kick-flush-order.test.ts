// What the ancestor's rounds, flushproc, parallelwrites and writeproc do, and where dcache has it: kick, delayed kick,
// waiting for a round that began after the call; classes one after the other, each fsynced in every partition before
// the next. Each suite is a row of the table. The trace says what happened, and in which order.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { BlockCache, Partition, TraceRecord } from 'dcache'
import { until, withCache } from '../support/open.js'
import { Header } from '#dist/shared/words.js'

const fill = (partition: Partition, block: number, byte: number, writeClass?: string) =>
  partition.write(new Uint8Array(partition.blockSize).fill(byte), block * partition.blockSize, writeClass)

/** What the rounds did, in order. */
const work = (cache: BlockCache): TraceRecord[] =>
  cache.trace().filter(({ point }) => point.startsWith('work.'))

const rounds = suite('Round: kick, delayed kick, wait for the round')

rounds('kick starts a round and does not wait for it', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    await fill(data, 0, 7)
    cache.kick()
    await until('the round', () => cache.stats().rounds === 1)
    assert.is(onDisk(0)[0], 7)
    assert.is(cache.stats().flushes, 0)
  }),
)

rounds('a delayed kick comes after its time, once', () =>
  withCache({ flushDelayMs: 100 }, async ({ cache, data }) => {
    await fill(data, 0, 7)
    const startMs = performance.now()
    await until('the round', () => cache.stats().rounds > 0)
    assert.ok(performance.now() - startMs >= 50, 'not before its time')
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.is(cache.stats().rounds, 1)
  }),
)

rounds('the clock starts again with the next dirty block', () =>
  withCache({ flushDelayMs: 30 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i <= 4; i++) {
      await fill(data, 0, i)
      await until(`round ${i}`, () => cache.stats().dirty === 0)
      assert.is(onDisk(0)[0], i)
    }
  }),
)

rounds('flush resolves when all that was released before it is on the disk', () =>
  withCache({ cached: 60, flushDelayMs: 1e9 }, async ({ cache, data, onDisk }) => {
    for (let i = 1; i <= 10; i++) {
      for (let block = 0; block < 30; block++)
        await fill(data, block, i, ['data', 'directory', 'trailer'][block % 3])
      await cache.flush()
      for (let block = 0; block < 30; block++) assert.is(onDisk(block)[100], i)
    }
  }),
)

rounds('a flush during a round waits for one that began after its call', () =>
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

rounds('a clean cache runs no rounds: not for kick, not for flush, not for ever', () =>
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

const order = suite('flushproc: by class, partition, address')

order('a round writes class by class, in each ascending', () =>
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

order('a round without a class skips its stage', () =>
  withCache({ flushDelayMs: 1e9, traceEntries: 64 }, async ({ cache, data }) => {
    await fill(data, 1, 1, 'trailer')
    await fill(data, 0, 1, 'data')
    await cache.flush()
    const stages = work(cache).filter(({ point }) => point === 'work.stage').map(({ value }) => value) // prettier-ignore
    assert.equal(stages, [1, 3])
  }),
)

order('writeOrder says what comes first', () =>
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

const parallel = suite(
  'parallelwrites, writeproc: every partition at once, all fsynced before the next class',
)

parallel('each stage has all partitions, and ends before the next begins', () =>
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
      // Who writes which: one writer a partition, and nobody else.
      const writers = new Set(work(cache).filter(({ point }) => point === 'work.write').map(({ partition, slot }) => `${partition} ${slot}`)) // prettier-ignore
      assert.equal([...writers].sort(), ['0 2', '1 3', '2 4'])
      for (const name of ['a', 'b', 'c'])
        for (let block = 0; block < 4; block++) assert.is(onDisk(block, name)[500], 50 + block)
    },
  ),
)

parallel('blocks are clean, and victims again, stage by stage', () =>
  withCache({ cached: 20, flushDelayMs: 1e9, dirtyLimit: 1 }, async ({ cache, data, arena }) => {
    for (let block = 0; block < 20; block++) await fill(data, block, 3)
    await cache.flush()
    assert.equal(cache.stats().blocks, { free: 0, clean: 20, dirty: 0, absent: 0, held: 0 })
    assert.is(arena.words[Header.policySize], 20)
    for (let block = 20; block < 40; block++) (await data.acquire(block, 'read')).release()
    assert.is(cache.stats().evictions, 20)
  }),
)

parallel.run()
