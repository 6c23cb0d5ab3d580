// @deadline 300
// A Prometheus server scrapes the monitor of a cache under load: it has the values that `stats()` has. The alert rules and the dashboard of
// docs/prometheus ask for metrics and labels that exist, and Prometheus understands every query.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { monitor } from 'dcache/monitor'
import { METRICS, prometheusName } from '#dist/metrics/table.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs } from '../support/left-out.js'
import { PATIENCE_MS, until, withCache } from '../support/open.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

const folder = join(projectRoot, 'docs/prometheus')
const textOf = (path: string): string => readFileSync(join(projectRoot, 'docs', path), 'utf8')

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string }[]
}

const dashboard = JSON.parse(textOf('prometheus/grafana.json')) as { readonly panels: readonly Panel[] }
/** The queries of the dashboard, with values in the place of Grafana's variables. */
const queries = dashboard.panels.flatMap(({ targets }) =>
  targets.map(({ expr }) => expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m')),
)

test('the rules, the dashboard and the page ask for metrics and labels that exist', () => {
  const labels = new Map(
    METRICS.map((metric) => [prometheusName(metric), [...metric.labels, 'instance', 'job', 'le']]),
  )
  const rules = textOf('prometheus/alerts.yml')
  const page = textOf('running.md')
  assert.ok(queries.length >= dashboard.panels.length)
  for (const text of [rules, page, ...queries]) {
    const names = [...text.matchAll(/dcache_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''))
    assert.ok(names.length > 0, text)
    for (const name of names) assert.ok(labels.has(name), name)
  }
  const known = [...labels.values()].flat()
  for (const text of [rules, page, ...queries]) {
    for (const [, list] of text.matchAll(/by \(([^)]*)\)/g))
      for (const label of list!.split(',')) assert.ok(known.includes(label.trim()), `${label} in ${text}`)
    for (const [, name, list] of text.matchAll(/(dcache_\w+)\{([^}]*)\}/g))
      for (const [, label] of list!.matchAll(/(\w+)=~?"/g))
        assert.ok(labels.get(name!.replace(/_bucket$/, ''))!.includes(label!), `${label!} of ${name!}`)
  }
})

if (canRun('what Prometheus makes of the metrics', programs('prometheus', 'promtool'))) {
  const promtool = (args: readonly string[], input = '') => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, input, encoding: 'utf8' })
    return { status, output: stdout + stderr }
  }

  test('promtool passes the rules and their tests', () => {
    assert.ok(readdirSync(folder).includes('alerts-tests.yml'))
    for (const args of [
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts-tests.yml'],
    ]) {
      const { status, output } = promtool(args)
      assert.is(status, 0, output)
      assert.match(output, /SUCCESS/)
    }
    using other = tempFolder()
    const { status, output } = promtool(['test', 'rules', other.write('silent.yml', expectsSilence)])
    assert.is(status, 1, 'a test that expects another alert fails')
    assert.match(output, /alertname: DcacheBroken/)
  })

  test('a Prometheus server scrapes a cache under load, and understands every query', () =>
    withCache({ cached: 50 }, async ({ cache, data }) => {
      await using shown = await monitor(cache, { port: 0 })
      const text = await (await fetch(`${shown.url}metrics`)).text()
      const { status, output } = promtool(['check', 'metrics'], text)
      assert.is(status, 0)
      assert.is(output, '')

      using home = tempFolder()
      const prometheus = await startPrometheus(home.path, Number(new URL(shown.url).port))
      try {
        const ask = async (path: string): Promise<unknown> => {
          const response = await fetch(`http://127.0.0.1:${prometheus.port}/api/v1/${path}`)
          const body = (await response.json()) as { status: string; data: unknown; error?: string }
          assert.is(body.status, 'success', `${path}: ${body.error ?? ''}`)
          return body.data
        }
        const query = async (expression: string) => {
          const { result } = (await ask(`query?query=${encodeURIComponent(expression)}`)) as {
            result: readonly { metric: Record<string, string>; value: [number, string] }[]
          }
          return result
        }
        for (let block = 0; block < 64; block++) await data.write(Buffer.alloc(512, block), block * 512)
        for (let block = 0; block < 200; block++) (await data.acquire(block % 40, 'read')).release()
        await cache.flush()
        const { hits, misses, fsync } = cache.stats().partitions['data']!
        assert.ok(hits > 0 && misses > 0 && fsync.count > 0)
        const wanted: readonly (readonly [string, number])[] = [
          ['up', 1],
          ['dcache_hits_total', hits],
          ['dcache_misses_total', misses],
          ['dcache_capacity', 50],
          ['dcache_disk_fsync_duration_seconds_count', fsync.count],
          ['dcache_disk_fsync_duration_seconds_bucket{le="+Inf"}', fsync.count],
        ]
        for (const [expression, value] of wanted)
          await untilAsync(expression, value, async () => Number((await query(expression))[0]?.value[1]))
        assert.equal((await query('dcache_hits_total'))[0]!.metric['partition'], 'data')
        for (const expression of queries) await query(expression)
        const { groups } = (await ask('rules')) as {
          groups: readonly { rules: readonly { health: string; state: string; name: string }[] }[]
        }
        const rules = groups.flatMap((group) => group.rules)
        assert.ok(rules.length >= 8)
        for (const { name, state } of rules) assert.is(state, 'inactive', name)
        const { activeTargets } = (await ask('targets')) as {
          activeTargets: readonly { lastError: string }[]
        }
        assert.equal(activeTargets.map(({ lastError }) => lastError), ['']) // prettier-ignore
      } finally {
        prometheus.child.kill('SIGKILL')
      }
    }))
}

const expectsSilence = `
rule_files: [${join(folder, 'alerts.yml')}]
tests:
  - input_series: [{ series: dcache_broken, values: 1x9 }]
    alert_rule_test: [{ eval_time: 5m, alertname: DcacheBroken, exp_alerts: [] }]
`

/** Waits until the value is as wanted. */
async function untilAsync(what: string, wanted: number, read: () => Promise<number>): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS
  for (let found = await read(); found !== wanted; found = await read()) {
    assert.ok(performance.now() < endMs, `${what} is ${found}, not ${wanted}`)
    await pause(100)
  }
}

/** A Prometheus server that scrapes this port each second, and has the alert rules. */
async function startPrometheus(home: string, port: number): Promise<{ child: ChildProcess; port: number }> {
  writeFileSync(
    join(home, 'prometheus.yml'),
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${join(folder, 'alerts.yml')}]
scrape_configs: [{ job_name: dcache, static_configs: [{ targets: ['127.0.0.1:${port}'] }] }]
`,
  )
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(home, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(home, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
      '--log.level=info',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  child.stderr.on('data', (data: Buffer) => (log += data.toString()))
  const listening = () => /Listening on" address=127\.0\.0\.1:(\d+)/.exec(log)?.[1]
  await until('Prometheus', () => {
    assert.is(child.exitCode, null, log)
    return listening() !== undefined && log.includes('Server is ready')
  })
  return { child, port: Number(listening()) }
}

test.run()
