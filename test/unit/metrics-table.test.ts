// The table of metrics: what holds for every row, and that docs/metrics.md says the same.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BOUNDS, cumulative } from '#dist/metrics/histogram.js'
import { METRICS, openTelemetryName, prometheusName } from '#dist/metrics/table.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withCache } from '../support/open.js'
import { projectRoot, readSources } from '../support/project.js'
import { tableAfter } from '../support/readme-snippets.js'
import { importsOf } from '../support/structure.js'
import { tempFolder } from '../support/temp.js'

const page = readFileSync(join(projectRoot, 'docs/metrics.md'), 'utf8')

test('the page has every metric', () => {
  const code = (text: string) => `\`${text}\``
  const wanted = METRICS.map((metric) => {
    const { kind, unit, labels, help } = metric
    const names = [prometheusName(metric), openTelemetryName(metric)].map(code)
    return [...names, kind, unit === '' ? '-' : code(unit), labels.map(code).join(', ') || '-', help]
  })
  assert.equal(tableAfter(page, 'All metrics'), wanted)
})

test('the page names no metric that does not exist', () => {
  const known = METRICS.flatMap((metric) => {
    const name = prometheusName(metric)
    return metric.kind === 'histogram' ? [name, `${name}_bucket`] : [name]
  })
  const named = [...page.matchAll(/(?<!err_)dcache_[a-z_]+/g)].map(([name]) => name)
  assert.ok(named.length > METRICS.length)
  assert.equal(
    named.filter((name) => !known.includes(name)),
    [],
  )
})

test('names are unique, and none is the namespace of another', () => {
  const names = METRICS.map(openTelemetryName)
  assert.is(new Set(METRICS.map(prometheusName)).size, names.length)
  for (const name of names) {
    assert.match(name, /^dcache(\.[a-z][a-z_]*)+$/)
    assert.ok(!names.some((other) => other.startsWith(`${name}.`)), name)
  }
})

test('each row says which labels its samples have', async () => {
  using folder = tempFolder()
  const journal = { path: `${folder.path}/journal`, size: '1MiB' }
  await withCache({ groups: { '': { journal } } }, ({ cache }) => {
    const stats = cache.stats()
    let series = 0
    for (const metric of METRICS) {
      const samples = metric.read(stats)
      assert.ok(samples.length > 0, metric.name)
      for (const { labels } of samples) {
        assert.equal(Object.keys(labels).sort(), [...metric.labels].sort(), metric.name)
        if ('partition' in labels) series += metric.kind === 'histogram' ? BOUNDS.length + 3 : 1
      }
    }
    assert.match(page, new RegExp(`There are ${series} series for each partition`))
  })
})

test('a histogram counts up to each bound, whatever its buckets are', () => {
  const empty = cumulative({ count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, buckets: [] })
  assert.equal(empty, { counts: BOUNDS.map(() => 0), count: 0, sumSeconds: 0 })
  const [first, last] = [Number(BOUNDS[0]) * 1000, Number(BOUNDS.at(-1)) * 1000]
  const buckets = [first / 2, first, first * 1.1, last, last * 2].map((upToMs) => ({ upToMs, count: 10 }))
  const { counts, count } = cumulative({ count: 50, p50Ms: 0, p99Ms: 0, maxMs: 0, buckets })
  assert.equal([counts[0], counts[1], counts.at(-2), counts.at(-1), count], [20, 30, 30, 40, 50])
  assert.ok(page.includes(`from \`${BOUNDS[0]}\` to \`+Inf\``))
})

test('nothing of prom-client or OpenTelemetry is imported', () => {
  const files = [...readSources()].filter(([path]) => path.startsWith('metrics/'))
  assert.ok(files.length > 5)
  for (const [path, text] of files)
    for (const name of importsOf(text)) assert.ok(name?.startsWith('.'), `${path} imports ${name}`)
})

test('the page has every channel', () => {
  const declared = /export interface CacheChannels \{([\s\S]*?)\n\}/.exec(
    readSources().get('shared/channel-messages.ts')!,
  )![1]!
  const names = [...declared.matchAll(/'(dcache:\w+)'/g)].map(([, name]) => name)
  assert.ok(names.length > 5)
  assert.equal(
    tableAfter(page, 'Channels').map(([name]) => name),
    names.map((name) => `\`${name}\``),
  )
})

test.run()
