// Metrics for prom-client: names and values against `stats()`, the text that a scraper gets, and registrations that come and
// go.

import { spawnSync } from 'node:child_process'
import type { BlockCache, CacheStats } from 'dcache'
import type * as metrics from 'dcache/metrics'
import { type PrometheusRegistry, registerPrometheusMetrics } from 'dcache/metrics'
import type * as promClient from 'prom-client'
import { Counter, Registry } from 'prom-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type MetricFamily, parseExposition, valueOf } from '../support/exposition.js'
import { canRun, programs } from '../support/left-out.js'
import { inThread, refusalNow, settled, until, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

const OPEN_METRICS = Registry.OPENMETRICS_CONTENT_TYPE

/** A cache with two groups, one with a journal, that has done something of everything, and does nothing now. */
async function withUsedCache(body: (cache: BlockCache) => Promise<void>): Promise<void> {
  using folder = tempFolder()
  const journal = { path: `${folder.path}/journal`, size: '1MiB' }
  await withCache(
    {
      cached: 8,
      groups: { safe: { journal }, fast: {} },
      partitions: { a: { group: 'safe' }, b: { group: 'fast', blockSize: 1024 } },
      flushDelayMs: 1e9,
    },
    async ({ cache }) => {
      const [a, b] = [cache.partition('a'), cache.partition('b')]
      for (let block = 0; block < 20; block++) (await a.acquire(block, 'read')).release()
      await b.write(new Uint8Array(3000), 100)
      await a.write(new Uint8Array(512), 0)
      await cache.flush()
      const holder = await a.acquire(0, 'read')
      const late = a.acquire(0, 'modify')
      await until('the wait', () => cache.holders().some(({ what }) => what === 'waits'))
      holder.release()
      ;(await late).release()
      await b.write(new Uint8Array(1024), 0)
      await settled(cache)
      await body(cache)
    },
  )
}

type Metrics = typeof metrics
type PromClient = typeof promClient

/** The text of a registry, as a scraper reads it. */
const scrape = async (registry: Registry): Promise<Map<string, MetricFamily>> =>
  parseExposition(await registry.metrics())

/** A cache whose statistics stay as they are: threads of the engine come and go in a real one. */
function still(cache: BlockCache): BlockCache {
  const stats = cache.stats()
  return { stats: () => stats } as BlockCache
}

/** The cache, and how often its statistics were read. */
function counted(cache: BlockCache): { cache: BlockCache; calls: () => number } {
  let calls = 0
  const stats = (): CacheStats => {
    calls++
    return cache.stats()
  }
  return { cache: { stats } as BlockCache, calls: () => calls }
}

const values = suite('values for prom-client')

values('are those of stats', () =>
  withUsedCache(async (used) => {
    const cache = still(used)
    const registry = new Registry()
    registerPrometheusMetrics(cache, registry)
    const families = await scrape(registry)
    const stats = cache.stats()
    const is = (name: string, labels: Record<string, string>, value: number) => {
      assert.is(valueOf(families, `dcache_${name}`, labels), value, `${name} ${JSON.stringify(labels)}`)
    }
    is('broken', {}, 0)
    is('memory_bytes', {}, stats.memoryBytes)
    is('threads', {}, stats.threads)
    is('capacity', {}, 8)
    for (const state of ['free', 'clean', 'dirty', 'absent'] as const)
      is('frames', { state }, stats.blocks[state])
    is('held_frames', {}, 0)
    is('evictions_total', {}, stats.evictions)
    assert.ok(stats.evictions > 0)
    is('flushes_total', {}, 1)
    is('miss_time_seconds_total', {}, stats.lookupTimeMs / 1000)
    is('prefetch_loaded_total', {}, stats.prefetch.loaded)
    is('prefetch_dropped_total', {}, stats.prefetch.dropped)
    is('prefetch_unused_total', {}, stats.prefetch.unused)
    is('waits_total', { cause: 'latch' }, 1)
    is('waits_total', { cause: 'dirty_limit' }, stats.waits.dirtyLimit)
    is('wait_time_seconds_total', {}, stats.waits.timeMs / 1000)
    for (const [group, of] of Object.entries(stats.groups)) {
      is('rounds_total', { group }, of.rounds)
      assert.ok(of.rounds > 0)
      is('round_failures_total', { group }, 0)
      is('dirty_limit', { group }, of.dirtyLimit)
      is('spares', { group, state: 'free' }, of.spares.free)
      is('spares', { group, state: 'used' }, of.spares.total - of.spares.free)
    }
    const { journal } = stats.groups['safe']!
    is('journal_records_total', { group: 'safe' }, journal!.records)
    is('journal_used_bytes', { group: 'safe' }, journal!.usedBytes)
    is('journal_half_bytes', { group: 'safe' }, journal!.halfBytes)
    assert.is(valueOf(families, 'dcache_journal_records_total', { group: 'fast' }), undefined)
    for (const [partition, of] of Object.entries(stats.partitions)) {
      const labels = { partition, group: of.group }
      is('hits_total', labels, of.hits)
      is('misses_total', labels, of.misses)
      is('changes_total', labels, of.writes)
      is('partition_blocks', labels, 64)
      is('partition_size_bytes', labels, 64 * of.blockSize)
      is('cached_blocks', labels, of.cached)
      is('dirty_blocks', labels, of.dirty)
      is('fenced', labels, 0)
      is('disk_io_bytes_total', { ...labels, direction: 'read' }, of.diskReadBytes)
      is('disk_io_bytes_total', { ...labels, direction: 'write' }, of.diskWriteBytes)
      is('disk_blocks_total', { ...labels, direction: 'read' }, of.diskReads)
      is('disk_blocks_total', { ...labels, direction: 'write' }, of.diskWrites)
    }
    assert.ok(stats.partitions['b']!.dirty > 0)
  }),
)

values('of histograms are cumulative, in seconds, and exact to a tenth', () =>
  withUsedCache(async (cache) => {
    const registry = new Registry()
    registerPrometheusMetrics(cache, registry)
    const families = await scrape(registry)
    const { partitions, writerStalls } = cache.stats()
    const histograms = Object.entries(partitions).flatMap(([partition, { group, read, fsync }]) => [
      { name: 'dcache_disk_read_duration_seconds', labels: { partition, group }, of: read },
      { name: 'dcache_disk_fsync_duration_seconds', labels: { partition, group }, of: fsync },
    ])
    const stalls = { name: 'dcache_writer_stall_duration_seconds', labels: {}, of: writerStalls }
    const [ofA, ofB] = [partitions['a']!, partitions['b']!]
    // What is in a journal is not written in place yet.
    assert.equal(
      [ofA.read, ofB.read, ofA.fsync, ofB.fsync, writerStalls].map(({ count }) => count > 0),
      [true, true, false, true, true],
    )
    for (const { name, labels, of } of [...histograms, stalls]) {
      const buckets = families
        .get(name)!
        .series.filter(
          (one) =>
            one.name === `${name}_bucket` && valueOf(families, name, one.labels, '_bucket') !== undefined,
        )
      const bounds = [...new Set(buckets.map((one) => one.labels['le']!))]
      for (const le of bounds) {
        const upToMs = le === '+Inf' ? Infinity : Number(le) * 1000
        const count = of.buckets.filter((bucket) => bucket.upToMs <= upToMs * (1 + 1e-9))
        const wanted = count.reduce((sum, bucket) => sum + bucket.count, 0)
        assert.is(valueOf(families, name, { ...labels, le }, '_bucket'), wanted, `${name} ${le}`)
      }
      assert.is(valueOf(families, name, labels, '_count'), of.count)
      const most = of.buckets.reduce((sum, { upToMs, count }) => sum + upToMs * count, 0) / 1000
      const sum = valueOf(families, name, labels, '_sum')!
      assert.ok(sum <= most && sum >= 0.84 * most, `${sum} of at most ${most}`)
    }
  }),
)

values('are read once for a scrape, and not at all without one', () =>
  withCache({}, async ({ cache }) => {
    const { cache: watched, calls } = counted(cache)
    const registry = new Registry()
    registerPrometheusMetrics(watched, registry)
    assert.is(calls(), 0)
    await registry.metrics()
    assert.is(calls(), 1)
    await registry.getMetricsAsJSON()
    assert.is(calls(), 2)
    ;(await cache.partition('data').acquire(0, 'read')).release()
    const before = await scrape(registry)
    ;(await cache.partition('data').acquire(0, 'read')).release()
    const after = await scrape(registry)
    assert.is(calls(), 4)
    const hits = (families: Map<string, MetricFamily>) =>
      valueOf(families, 'dcache_hits_total', { partition: 'data', group: '' })!
    assert.is(hits(after), hits(before) + 1)
  }),
)

values('can be shown by any attached thread', () =>
  withCache({}, async ({ cache, data }) => {
    ;(await data.acquire(0, 'read')).release()
    const urls = [import.meta.resolve('dcache/metrics'), import.meta.resolve('prom-client')]
    const text = await inThread(cache.handle, urls, async ({ client, args }) => {
      const { registerPrometheusMetrics } = (await import(args[0]!)) as Metrics
      const { Registry } = (await import(args[1]!)) as PromClient
      const registry = new Registry()
      registerPrometheusMetrics(client, registry)
      return registry.metrics()
    })
    const labels = { partition: 'data', group: '' }
    assert.is(valueOf(parseExposition(text), 'dcache_misses_total', labels), 1)
  }),
)

values.run()

const texts = suite('the text')

texts('is the same in OpenMetrics, also when the format changes back and forth', () =>
  withUsedCache(async (cache) => {
    const registry = new Registry<typeof Registry.PROMETHEUS_CONTENT_TYPE | typeof OPEN_METRICS>()
    registerPrometheusMetrics(still(cache), registry, { labels: { cache: 'main' } })
    const plain = parseExposition(await registry.metrics())
    assert.ok(plain.size > 30)
    for (let i = 0; i < 2; i++) {
      registry.setContentType(OPEN_METRICS)
      const open = parseExposition(await registry.metrics(), true)
      assert.equal([...open.keys()], [...plain.keys()])
      for (const [name, { type, series }] of open)
        assert.equal({ type, series }, pick(plain.get(name)!), name)
      registry.setContentType(Registry.PROMETHEUS_CONTENT_TYPE)
      assert.equal([...parseExposition(await registry.metrics()).keys()], [...plain.keys()])
    }
    const merged = Registry.merge([registry as Registry])
    assert.equal([...parseExposition(await merged.metrics()).keys()], [...plain.keys()])
    assert.ok((await registry.getSingleMetricAsString('dcache_hits_total')).includes('dcache_hits_total{'))
  }),
)

const pick = ({ type, series }: MetricFamily) => ({ type, series })

texts('escapes names of partitions and groups', () => {
  const name = 'a "quoted" \\ name'
  return withCache({ partitions: { [name]: { group: 'g"\\' } } }, async ({ cache }) => {
    const registry = new Registry()
    registerPrometheusMetrics(cache, registry, { labels: { cache: 'line\nbreak' } })
    const labels = { partition: name, group: 'g"\\', cache: 'line\nbreak' }
    assert.is(valueOf(await scrape(registry), 'dcache_partition_blocks', labels), 64)
  })
})

texts('has nothing that promtool objects to', () =>
  withUsedCache(async (cache) => {
    if (!canRun('the check of metrics by promtool', programs('promtool'))) return
    const registry = new Registry()
    registerPrometheusMetrics(cache, registry)
    const check = spawnSync('promtool', ['check', 'metrics'], {
      input: await registry.metrics(),
      encoding: 'utf8',
    })
    assert.equal([check.status, check.stdout, check.stderr], [0, '', ''])
  }),
)

texts('adds up over the processes of a cluster', () =>
  withCache({}, async ({ cache }) => {
    const registry = new Registry()
    registerPrometheusMetrics(cache, registry)
    const json = await registry.getMetricsAsJSON()
    const aggregators = new Map(json.map(({ name, aggregator }) => [name, aggregator]))
    assert.is(aggregators.get('dcache_hits_total'), 'sum')
    assert.is(aggregators.get('dcache_fenced'), 'max')
    registry.resetMetrics()
    assert.equal(await registry.getMetricsAsJSON(), json)
  }),
)

texts.run()

const registrations = suite('registrations with prom-client')

registrations('of two caches share a registry, with labels of their own', () =>
  withCache({ cached: 8 }, ({ cache: one }) =>
    withCache({ cached: 16 }, async ({ cache: two }) => {
      const registry = new Registry()
      registerPrometheusMetrics(one, registry, { labels: { cache: 'one' } })
      const second = registerPrometheusMetrics(two, registry, { labels: { cache: 'two' } })
      const capacities = async () => {
        const families = await scrape(registry)
        return ['one', 'two'].map((cache) => valueOf(families, 'dcache_capacity', { cache }))
      }
      assert.equal(await capacities(), [8, 16])
      second.remove()
      second.remove()
      assert.equal(await capacities(), [8, undefined])
      registerPrometheusMetrics(two, registry)
      assert.is(valueOf(await scrape(registry), 'dcache_capacity'), 16)
    }),
  ),
)

registrations('that would be there twice are refused', () =>
  withCache({}, ({ cache: one }) =>
    withCache({}, async ({ cache: two }) => {
      const registry = new Registry()
      const refused = (call: () => unknown, ...texts: string[]) =>
        refusalNow('ERR_DCACHE_BAD_OPTION', call, 'this registry', ...texts)
      registerPrometheusMetrics(one, registry, { labels: { x: '1', y: '2' } })
      refused(() => registerPrometheusMetrics(one, registry), 'of this cache', 'remove()')
      refused(
        () => registerPrometheusMetrics(two, registry, { labels: { y: '2', x: '1' } }),
        'of another cache',
        "{ y: '2', x: '1' }",
      )
      assert.is((await scrape(registry)).get('dcache_capacity')!.series.length, 1)
      registerPrometheusMetrics(one, new Registry()).remove()
    }),
  ),
)

registrations('refuse a name that is taken, and register nothing then', () =>
  withCache({}, async ({ cache }) => {
    const registry = new Registry()
    const registers = [registry]
    const other = new Counter({ name: 'dcache_hits_total', help: 'of another', registers })
    refusalNow('ERR_DCACHE_BAD_OPTION', () => registerPrometheusMetrics(cache, registry), 'dcache_hits_total')
    assert.is(registry.getMetricsAsArray().length, 1)
    assert.is(registry.getSingleMetric('dcache_hits_total'), other)
    registry.removeSingleMetric('dcache_hits_total')
    registerPrometheusMetrics(cache, registry)
    assert.ok((await scrape(registry)).size > 30)
  }),
)

registrations('end with remove, with using, and leave other metrics alone', () =>
  withCache({}, async ({ cache }) => {
    const registry = new Registry()
    const other = new Counter({ name: 'other_total', help: 'of another', registers: [registry] })
    other.inc()
    {
      using _shown = registerPrometheusMetrics(cache, registry)
      assert.ok((await scrape(registry)).size > 30)
    }
    assert.equal([...(await scrape(registry)).keys()], ['other_total'])
    const again = registerPrometheusMetrics(cache, registry)
    again.remove()
    assert.equal([...(await scrape(registry)).keys()], ['other_total'])
  }),
)

registrations('can be made again after the registry was cleared', () =>
  withCache({}, async ({ cache }) => {
    const registry = new Registry()
    const first = registerPrometheusMetrics(cache, registry)
    registry.clear()
    const second = registerPrometheusMetrics(cache, registry)
    first.remove()
    assert.is((await scrape(registry)).get('dcache_capacity')!.series.length, 1)
    second.remove()
    assert.is(await registry.metrics(), '\n')
  }),
)

registrations('of a closed cache leave, and the next one takes their place', async () => {
  const registry = new Registry()
  await withCache({ cached: 8 }, async ({ cache: first }) => {
    registerPrometheusMetrics(first, registry, { labels: { cache: 'first' } })
    await withCache({ cached: 12 }, async ({ cache }) => {
      registerPrometheusMetrics(cache, registry)
      assert.is((await scrape(registry)).get('dcache_capacity')!.series.length, 2)
    })
    const families = await scrape(registry)
    assert.equal(
      families.get('dcache_capacity')!.series.map(({ value }) => value),
      [8],
    )
  })
  await withCache({ cached: 24 }, async ({ cache }) => {
    registerPrometheusMetrics(cache, registry, { labels: { cache: 'first' } })
    assert.is(valueOf(await scrape(registry), 'dcache_capacity', { cache: 'first' }), 24)
  })
  await registry.metrics()
  assert.is(await registry.metrics(), '\n')
})

registrations('of bad arguments are refused', () =>
  withCache({}, ({ cache }) => {
    const registry = new Registry()
    const refused = (call: () => unknown, ...texts: string[]) =>
      refusalNow('ERR_DCACHE_BAD_OPTION', call, ...texts)
    for (const bad of [undefined, null, 7, 'registry', {}, { registerMetric: 1 }])
      refused(() => registerPrometheusMetrics(cache, bad as unknown as PrometheusRegistry), 'the registry')
    for (const bad of [undefined, null, 'cache', {}])
      refused(() => registerPrometheusMetrics(bad as BlockCache, registry), 'the cache')
    for (const bad of [null, 7])
      refused(() => registerPrometheusMetrics(cache, registry, bad as never), 'options')
    for (const labels of [7, null, ['a'], 'a'])
      if (labels !== null)
        refused(() => registerPrometheusMetrics(cache, registry, { labels } as never), 'labels')
    for (const name of ['', '1a', 'a-b', '__a', 'a b', 'ä'])
      refused(() => registerPrometheusMetrics(cache, registry, { labels: { [name]: 'x' } }), `'${name}'`)
    for (const name of ['partition', 'group', 'le', 'state', 'cause', 'direction'])
      refused(() => registerPrometheusMetrics(cache, registry, { labels: { [name]: 'x' } }), name, 'itself')
    for (const value of [1, null, undefined, {}])
      refused(() => registerPrometheusMetrics(cache, registry, { labels: { a: value } } as never), 'a string')
    assert.is(registry.getMetricsAsArray().length, 0)
  }),
)

registrations.run()
