// The ancestor's 13 counters and its trace points, and where dcache has them: `stats` and the trace ring. Each suite is
// a row of the table.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { CacheStats } from 'dcache'
import { inThread, until, withCache } from '../support/open.js'

const counters = suite('13 counters')

/** The ancestor's name of each, and dcache's. */
const NAMES = {
  lookup: 'lookups',
  hit: 'hits',
  miss: 'misses',
  read: 'reads',
  write: 'writes',
  size: 'size',
  dirty: 'dirty',
  flush: 'flushes',
  stall: 'stalls',
  'lookup time': 'lookupTimeMs',
  'block stall': 'blockStalls',
  'partition reads': 'diskReads',
  'partition read bytes': 'diskReadBytes',
  'partition writes': 'diskWrites',
  'partition write bytes': 'diskWriteBytes',
} as const satisfies Record<string, keyof CacheStats>

counters('all are there, and begin at nothing', () =>
  withCache({ cached: 10 }, ({ cache }) => {
    const stats = cache.stats()
    for (const name of Object.values(NAMES)) assert.is(stats[name], name === 'size' ? 10 : 0, name)
  }),
)

counters('each counts what it is named for', () =>
  withCache({ cached: 4, flushDelayMs: 1e9, dirtyLimit: 1 }, async ({ cache, data }) => {
    for (let block = 0; block < 3; block++) (await data.acquire(block, 'read')).release()
    for (let i = 0; i < 5; i++) (await data.acquire(0, 'read')).release()
    await data.write(new Uint8Array(512), 0)
    await data.write(new Uint8Array(10), 512)
    const before = cache.stats()
    assert.equal(
      [before.lookups, before.hits, before.misses, before.diskReads, before.diskReadBytes],
      [10, 7, 3, 3, 1536],
    )
    // Reads are those that want the contents, writes those that may change them: a modify is both.
    assert.equal([before.reads, before.writes, before.dirty], [9, 2, 2])
    assert.ok(before.lookupTimeMs > 0)
    await cache.flush()
    const after = cache.stats()
    assert.equal([after.flushes, after.diskWrites, after.diskWriteBytes, after.dirty], [1, 2, 1024, 0])
    assert.equal([after.rounds, after.failedRounds], [1, 0])

    const holder = await data.acquire(0, 'modify')
    const late = data.acquire(0, 'read')
    await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
    holder.release()
    ;(await late).release()
    assert.is(cache.stats().blockStalls, 1)
    assert.ok(cache.stats().waits.timeMs > 0)
    const guards = await Promise.all([0, 1, 2, 3].map((block) => data.acquire(block, 'read')))
    const stalled = data.acquire(9, 'read')
    await until('the stall', () => cache.stats().stalls === 1)
    for (const guard of guards) guard.release()
    ;(await stalled).release()
  }),
)

counters('they are sums over all threads, also over those that ended', () =>
  withCache({ cached: 10 }, async ({ cache, data }) => {
    for (let i = 0; i < 3; i++) {
      await inThread(cache.handle, 0, ({ client }) => {
        for (let i = 0; i < 100; i++)
          client
            .partition('data')
            .acquireSync(i % 5, 'read')
            .release()
      })
    }
    for (let i = 0; i < 100; i++) (await data.acquire(i % 5, 'read')).release()
    const { lookups, hits, misses, reads } = cache.stats()
    assert.equal([lookups, hits, misses, reads], [400, 395, 5, 400])
  }),
)

counters.run()

const trace = suite('trace: named points, off by default')

trace('off, it has no records and takes no memory', () =>
  withCache({ cached: 10 }, async ({ cache, data, arena }) => {
    ;(await data.acquire(0, 'read')).release()
    assert.equal(cache.trace(), [])
    assert.is(arena.geometry.traceEntries, 0)
    assert.ok(arena.layout.data - arena.layout.trace < 4096)
  }),
)

trace('on, it tells what happened to a block', () =>
  withCache({ cached: 2, traceEntries: 256, flushDelayMs: 1e9 }, async ({ cache, data }) => {
    ;(await data.acquire(5, 'read')).release()
    await data.write(new Uint8Array(512), 5 * 512, 'trailer')
    await cache.flush()
    for (const block of [6, 7, 8]) (await data.acquire(block, 'read')).release()
    const records = cache.trace()
    const ofBlock = records.filter(
      ({ block, point }) => block === 5 && /load|acquire|dirty|write|evict/.test(point),
    )
    assert.equal(
      ofBlock.map(({ point, value }) => (point === 'block.dirty' ? `${point} ${value}` : point)),
      ['block.load', 'block.acquire', 'block.acquire', 'block.dirty 3', 'work.write', 'block.evict'],
    )
    for (let i = 1; i < records.length; i++) assert.ok(records[i]!.atMs - records[i - 1]!.atMs >= -5)
  }),
)

trace('threads coming and going, and the engine’s own start', () =>
  withCache({ traceEntries: 64 }, async ({ cache }) => {
    await inThread(cache.handle, 0, () => undefined)
    const points = cache.trace().map(({ point }) => point)
    for (const point of ['proc.attach', 'proc.detach', 'proc.start']) assert.ok(points.includes(point), point)
  }),
)

trace('release is a trace point as well', () =>
  withCache({ traceEntries: 64 }, async ({ cache, data }) => {
    for (const mode of ['read', 'modify'] as const) (await data.acquire(5, mode)).release()
    assert.is(cache.trace().filter(({ point }) => point === 'block.release').length, 2)
  }),
)

trace('it keeps the newest', () =>
  withCache({ cached: 4, traceEntries: 8 }, async ({ cache, data }) => {
    for (let i = 0; i < 100; i++) (await data.acquire(0, 'read')).release()
    ;(await data.acquire(9, 'read')).release()
    const records = cache.trace()
    assert.is(records.length, 8)
    assert.ok(records.some(({ point, block }) => point === 'block.load' && block === 9))
  }),
)

trace.run()
