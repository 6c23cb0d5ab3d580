// Metrics for OpenTelemetry, by its SDK: names, kinds, units and values against `stats()`, and registrations that come and go.

import {
  DataPointType,
  MeterProvider,
  type MetricData,
  MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics'
import type { BlockCache, CacheStats } from 'dcache'
import { type OpenTelemetryMeter, registerOpenTelemetryMetrics } from 'dcache/metrics'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { refusalNow, settled, until, withCache } from '../support/open.js'
import { METRICS } from '#dist/metrics/table.js'

/** A reader that collects when it is told to. */
class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

interface Bench {
  readonly provider: MeterProvider
  readonly meter: OpenTelemetryMeter
  /** The metrics that have values, by name. */
  readonly collect: () => Promise<Map<string, MetricData>>
}

/** As a program sets OpenTelemetry up. */
function setUp(): Bench {
  const reader = new Reader()
  const provider = new MeterProvider({ readers: [reader] })
  return {
    provider,
    meter: provider.getMeter('test'),
    async collect() {
      const { resourceMetrics, errors } = await reader.collect()
      assert.equal(errors, [])
      return byName(resourceMetrics)
    },
  }
}

const byName = ({ scopeMetrics }: ResourceMetrics): Map<string, MetricData> =>
  new Map(scopeMetrics.flatMap(({ metrics }) => metrics.map((metric) => [metric.descriptor.name, metric])))

/** The value with these attributes, and no other. */
function valueOf(
  metrics: ReadonlyMap<string, MetricData>,
  name: string,
  attributes: Readonly<Record<string, string>> = {},
): number | undefined {
  const sorted = (of: object) => JSON.stringify(Object.entries(of).sort())
  const points = metrics.get(name)?.dataPoints ?? []
  return points.find((point) => sorted(point.attributes) === sorted(attributes))?.value as number | undefined
}

const values = suite('values for OpenTelemetry')

values('are those of stats', () =>
  withCache(
    {
      cached: 8,
      partitions: { a: { group: 'one' }, b: { group: 'two', blockSize: 1024 } },
      flushDelayMs: 1e9,
    },
    async ({ cache }) => {
      const [a, b] = [cache.partition('a'), cache.partition('b')]
      for (let block = 0; block < 20; block++) (await a.acquire(block, 'read')).release()
      await b.write(new Uint8Array(3000), 100)
      await cache.flush()
      await b.write(new Uint8Array(1024), 0)
      await settled(cache)
      await until('the release', () => cache.stats().dirty === 1)
      const { meter, collect } = setUp()
      registerOpenTelemetryMetrics(cache, meter, { attributes: { cache: 'main' } })
      const metrics = await collect()
      const stats = cache.stats()
      const is = (name: string, attributes: Record<string, string>, value: number) => {
        const all = { cache: 'main', ...attributes }
        assert.is(valueOf(metrics, `dcache.${name}`, all), value, `${name} ${JSON.stringify(all)}`)
      }
      is('broken', {}, 0)
      is('memory', {}, stats.memoryBytes)
      is('capacity', {}, 8)
      is('frames', { state: 'dirty' }, 1)
      is('frames', { state: 'clean' }, stats.blocks.clean)
      is('evictions', {}, stats.evictions)
      is('flushes', {}, 1)
      is('miss_time', {}, stats.lookupTimeMs / 1000)
      is('waits', { cause: 'frame' }, stats.waits.frame)
      for (const [group, of] of Object.entries(stats.groups)) {
        is('rounds', { group }, of.rounds)
        is('dirty_limit', { group }, of.dirtyLimit)
        is('spares', { group, state: 'free' }, of.spares.free)
      }
      for (const [partition, of] of Object.entries(stats.partitions)) {
        const attributes = { partition, group: of.group }
        is('hits', attributes, of.hits)
        is('misses', attributes, of.misses)
        is('partition.size', attributes, 64 * of.blockSize)
        is('dirty_blocks', attributes, of.dirty)
        is('fenced', attributes, 0)
        is('disk.io', { ...attributes, direction: 'read' }, of.diskReadBytes)
        is('disk.io', { ...attributes, direction: 'write' }, of.diskWriteBytes)
        is('disk.fsync.duration.count', attributes, of.fsync.count)
      }
    },
  ),
)

values('have the kinds and units of the table', () =>
  withCache({ cached: 8 }, async ({ cache }) => {
    const { meter, collect } = setUp()
    registerOpenTelemetryMetrics(cache, meter)
    const metrics = await collect()
    const descriptors = new Map([...metrics].map(([name, metric]) => [name, metric]))
    const wanted = METRICS.filter(({ name }) => !name.startsWith('journal.')).flatMap((metric) =>
      metric.kind === 'histogram'
        ? ['bucket', 'sum', 'count'].map((part) => `dcache.${metric.name}.${part}`)
        : [`dcache.${metric.name}`],
    )
    assert.equal([...descriptors.keys()].sort(), wanted.sort())
    for (const [name, { descriptor, dataPointType }] of descriptors) {
      assert.match(name, /^dcache(\.[a-z][a-z0-9_]*)+$/)
      assert.ok(descriptor.description.length > 0)
      assert.match(descriptor.unit, /^(s|By|\{[a-z]+\}|)$/)
      const isGauge = METRICS.some((metric) => metric.kind === 'gauge' && `dcache.${metric.name}` === name)
      assert.is(dataPointType, isGauge ? DataPointType.GAUGE : DataPointType.SUM, name)
    }
    const isMonotonic = (name: string) => (metrics.get(name) as { isMonotonic?: boolean }).isMonotonic
    assert.equal(['dcache.hits', 'dcache.frames'].map(isMonotonic), [true, false])
    assert.is(isMonotonic('dcache.disk.read.duration.bucket'), true)
  }),
)

values('of histograms are counts up to each bound, in seconds', () =>
  withCache({ cached: 8 }, async ({ cache, data }) => {
    for (let block = 0; block < 40; block++) (await data.acquire(block, 'read')).release()
    const { meter, collect } = setUp()
    registerOpenTelemetryMetrics(cache, meter)
    const metrics = await collect()
    const { read } = cache.stats().partitions['data']!
    const name = 'dcache.disk.read.duration'
    const attributes = { partition: 'data', group: '' }
    const points = metrics.get(`${name}.bucket`)!.dataPoints
    assert.ok(points.length > 10 && read.count > 0)
    for (const { attributes: own, value } of points) {
      const le = own['le'] as string
      const upToMs = le === '+Inf' ? Infinity : Number(le) * 1000
      const wanted = read.buckets.filter((bucket) => bucket.upToMs <= upToMs * (1 + 1e-9))
      assert.is(
        value,
        wanted.reduce((sum, { count }) => sum + count, 0),
        le,
      )
    }
    assert.is(valueOf(metrics, `${name}.bucket`, { ...attributes, le: '+Inf' }), read.count)
    assert.is(valueOf(metrics, `${name}.count`, attributes), read.count)
    const most = read.buckets.reduce((sum, { upToMs, count }) => sum + upToMs * count, 0) / 1000
    const sum = valueOf(metrics, `${name}.sum`, attributes)!
    assert.ok(sum <= most && sum >= 0.84 * most, `${sum} of at most ${most}`)
  }),
)

values('are read once for a collection, and not at all without one', () =>
  withCache({}, async ({ cache, data }) => {
    let calls = 0
    const stats = (): CacheStats => {
      calls++
      return cache.stats()
    }
    const { meter, collect } = setUp()
    registerOpenTelemetryMetrics({ stats } as BlockCache, meter)
    assert.is(calls, 0)
    ;(await data.acquire(0, 'read')).release()
    const before = valueOf(await collect(), 'dcache.hits', { partition: 'data', group: '' })!
    assert.is(calls, 1)
    ;(await data.acquire(0, 'read')).release()
    assert.is(valueOf(await collect(), 'dcache.hits', { partition: 'data', group: '' }), before + 1)
    assert.is(calls, 2)
  }),
)

values.run()

const registrations = suite('registrations with OpenTelemetry')

const capacityOf = async ({ collect }: Bench, ...caches: string[]) => {
  const metrics = await collect()
  return caches.map((cache) => valueOf(metrics, 'dcache.capacity', { cache }))
}

registrations('of two caches share a meter, with attributes of their own', () =>
  withCache({ cached: 8 }, ({ cache: one }) =>
    withCache({ cached: 16 }, async ({ cache: two }) => {
      const bench = setUp()
      registerOpenTelemetryMetrics(one, bench.meter, { attributes: { cache: 'one' } })
      registerOpenTelemetryMetrics(two, bench.meter, { attributes: { cache: 'two' } })
      assert.equal(await capacityOf(bench, 'one', 'two'), [8, 16])
    }),
  ),
)

registrations('that would be there twice are refused', () =>
  withCache({}, ({ cache: one }) =>
    withCache({}, ({ cache: two }) => {
      const { meter, provider } = setUp()
      const refused = (call: () => unknown, ...texts: string[]) =>
        refusalNow('ERR_DCACHE_BAD_OPTION', call, 'this meter', ...texts)
      registerOpenTelemetryMetrics(one, meter)
      refused(
        () => registerOpenTelemetryMetrics(one, meter, { attributes: { cache: 'one' } }),
        'of this cache',
      )
      refused(() => registerOpenTelemetryMetrics(two, meter), 'of another cache', '{}')
      registerOpenTelemetryMetrics(two, provider.getMeter('other'))
    }),
  ),
)

/** How often the statistics of a cache are read in a collection. */
async function readsIn(bench: Bench, counted: { calls: number }): Promise<number> {
  const before = counted.calls
  await bench.collect()
  return counted.calls - before
}

registrations('end with remove, or with using, and can be made again', () =>
  withCache({}, async ({ cache }) => {
    const counted = { calls: 0 }
    const stats = (): CacheStats => {
      counted.calls++
      return cache.stats()
    }
    const watched = { stats } as BlockCache
    const bench = setUp()
    for (let i = 0; i < 2; i++) {
      const registration = registerOpenTelemetryMetrics(watched, bench.meter)
      assert.is(await readsIn(bench, counted), 1)
      registration.remove()
      registration.remove()
      assert.is(await readsIn(bench, counted), 0)
    }
    {
      using _shown = registerOpenTelemetryMetrics(watched, bench.meter)
      assert.is(await readsIn(bench, counted), 1)
    }
    assert.is(await readsIn(bench, counted), 0)
  }),
)

registrations('of a closed cache leave, without an error, and others stay', async () => {
  const bench = setUp()
  const counted = { calls: 0 }
  await withCache({ cached: 8 }, async ({ cache: first }) => {
    registerOpenTelemetryMetrics(first, bench.meter, { attributes: { cache: 'first' } })
    await withCache({ cached: 12 }, async ({ cache }) => {
      const stats = (): CacheStats => {
        counted.calls++
        return cache.stats()
      }
      registerOpenTelemetryMetrics({ stats } as BlockCache, bench.meter, { attributes: { cache: 'other' } })
      assert.equal(await capacityOf(bench, 'first', 'other'), [8, 12])
    })
    assert.is(await readsIn(bench, counted), 1) // finds it closed
    assert.is(await readsIn(bench, counted), 0)
    assert.equal(await capacityOf(bench, 'first'), [8])
  })
  await bench.collect()
  await withCache({ cached: 24 }, async ({ cache }) => {
    registerOpenTelemetryMetrics(cache, bench.meter, { attributes: { cache: 'first' } })
    assert.equal(await capacityOf(bench, 'first'), [24])
  })
})

registrations('of bad arguments are refused', () =>
  withCache({}, ({ cache }) => {
    const { meter } = setUp()
    const refused = (call: () => unknown, ...texts: string[]) =>
      refusalNow('ERR_DCACHE_BAD_OPTION', call, ...texts)
    for (const bad of [undefined, null, 7, {}, { createObservableCounter() {} }])
      refused(() => registerOpenTelemetryMetrics(cache, bad as unknown as OpenTelemetryMeter), 'the meter')
    for (const bad of [undefined, null, {}])
      refused(() => registerOpenTelemetryMetrics(bad as BlockCache, meter), 'the cache')
    for (const attributes of [7, ['a'], 'a'])
      refused(() => registerOpenTelemetryMetrics(cache, meter, { attributes } as never), 'attributes')
    for (const name of ['', 'partition', 'group', 'le'])
      refused(() => registerOpenTelemetryMetrics(cache, meter, { attributes: { [name]: 'x' } }), `'${name}'`)
    refused(() => registerOpenTelemetryMetrics(cache, meter, { attributes: { a: 1 } } as never), 'a string')
    registerOpenTelemetryMetrics(cache, meter, { attributes: { 'service.part': 'store' } }).remove()
  }),
)

registrations.run()
