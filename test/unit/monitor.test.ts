// `dcache/monitor`: where it listens, what it refuses, and what each path answers.

import { existsSync, lstatSync, renameSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CacheClient, CacheStats, PoolMap } from 'dcache'
import { type Monitor, monitor, type MonitorOptions, type MonitorSample } from 'dcache/monitor'
import { MetricsRoute } from '#dist/monitor/metrics-route.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseExposition, valueOf } from '../support/exposition.js'
import { ask, askJson } from '../support/monitor.js'
import { type Bench, refusal, settled, until, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'
import { traceFaults } from '../support/trace-events.js'

/** A monitor of a cache with two partitions, on a port. */
const withMonitor = (body: (monitor: Monitor, bench: Bench) => Promise<void>): Promise<void> =>
  withCache(
    { partitions: { data: {}, '<script>alert("1")<script>': { blocks: 8 } }, flushDelayMs: 1e9 },
    async (bench) => {
      await using shown = await monitor(bench.cache, { port: 0, name: `it's "<b>"` })
      await body(shown, bench)
    },
  )

const options = suite('options')

options('that are wrong are refused, and nothing listens', () =>
  withCache({}, async ({ cache }) => {
    const wrong: [unknown, string][] = [
      [undefined, 'undefined'],
      [null, 'null'],
      [{}, 'one of them'],
      [{ port: 1, socket: 'x' }, 'one of them'],
      [{ port: -1 }, '-1'],
      [{ port: 65536 }, '65536'],
      [{ port: 1.5 }, '1.5'],
      [{ port: '80' }, "'80'"],
      [{ port: 0, host: '' }, 'host'],
      [{ port: 0, host: 7 }, 'host'],
      [{ socket: '' }, 'socket'],
      [{ socket: 'a\0b' }, 'socket'],
      [{ socket: 'x', host: 'localhost' }, 'host'],
      [{ port: 0, name: '' }, 'name'],
      [{ port: 0, name: 'x'.repeat(201) }, 'name'],
    ]
    for (const [given, text] of wrong)
      await refusal('ERR_DCACHE_BAD_OPTION', () => monitor(cache, given as MonitorOptions), text)
    for (const no of [undefined, null, {}, { stats: 1 }])
      await refusal(
        'ERR_DCACHE_BAD_OPTION',
        () => monitor(no as unknown as CacheClient, { port: 0 }),
        'cache',
      )
  }),
)

options('a place that cannot be had is refused with a code and advice', () =>
  withCache({}, async ({ cache }) => {
    using folder = tempFolder()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { port }), port, 'EADDRINUSE', 'another port')
    other.close()
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { port: 0, host: '192.0.2.1' }), '192.0.2.1')
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { port: 0, host: 'no.such.invalid' }), 'no.such')
    const file = folder.write('notes', 'text')
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { socket: file }), 'no socket')
    const deep = join(folder.path, 'none', 'socket')
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { socket: deep }), 'no folder')
    const long = join(folder.path, 'x'.repeat(200))
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { socket: long }), 'shorter')
  }),
)

options('a stale socket is replaced, a live one refused, and the name goes with the monitor', () =>
  withCache({}, async ({ cache }) => {
    using folder = tempFolder()
    const socket = join(folder.path, 'monitor socket')
    const stale: Server = createServer()
    await new Promise<void>((resolve) => stale.listen(`${socket}.0`, resolve))
    // Closing it would remove its name.
    renameSync(`${socket}.0`, socket)
    await new Promise((resolve) => stale.close(resolve))
    assert.ok(lstatSync(socket).isSocket())

    const shown = await monitor(cache, { socket })
    assert.is(shown.url, `http+unix://${encodeURIComponent(socket)}/`)
    assert.is((await ask(shown.url, '/stats')).status, 200)
    await refusal('ERR_DCACHE_LISTEN', () => monitor(cache, { socket }), 'already listens')
    assert.is((await ask(shown.url, '/stats')).status, 200)
    await shown.close()
    assert.not(existsSync(socket))
  }),
)

const paths = suite('paths')

paths('the page holds all that it needs, under a policy that lets nothing else run', () =>
  withMonitor(async ({ url }) => {
    const { status, headers, body } = await ask(url, '/')
    assert.is(status, 200)
    assert.match(headers['content-type']!, 'text/html')
    const policy = headers['content-security-policy'] as string
    assert.match(policy, "default-src 'none'")
    assert.not.match(policy, 'unsafe')
    assert.match(policy, /script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'/)
    assert.not.match(body, /(?:src|href)=["']?(?:https?:)?\/\//)
    assert.is(body.split('<script').length, 2)
    assert.is(body.split('</script').length, 2)
    assert.not.match(body, /<style><\/style>/)
    assert.is(headers['cache-control'], 'no-store')
    assert.is(headers['x-content-type-options'], 'nosniff')
  }),
)

paths('/stats is what stats, threads and holders tell', () =>
  withMonitor(async ({ url }, { cache, data }) => {
    for (let block = 0; block < 5; block++) (await data.acquire(block, 'read')).release()
    await data.write(new Uint8Array(512), 0)
    await settled(cache)
    const guard = await data.acquire(7, 'modify')
    const sample = await askJson<MonitorSample>(url, '/stats')
    assert.is(sample.version, 1)
    assert.is(sample.pid, process.pid)
    assert.is(sample.name, `it's "<b>"`)
    assert.ok(Math.abs(sample.timeMs - Date.now()) < 1e6)
    assert.equal(sample.stats, JSON.parse(JSON.stringify(cache.stats())) as CacheStats)
    assert.equal(
      sample.threads.map(({ slot, threadId, name, alive }) => ({ slot, threadId, name, alive })),
      cache.threads(),
    )
    const owner = sample.threads[0]!
    assert.is(owner.holdCount, 1)
    assert.equal(
      { ...owner.holds[0], sinceMs: 0 },
      { mode: 'modify', partition: 'data', block: 7, sinceMs: 0 },
    )
    guard.release()
  }),
)

paths('/stats shows waits with the slots that hold, and 16 of many', () =>
  withMonitor(async ({ url }, { cache, data }) => {
    const guard = await data.acquire(3, 'read')
    const waits = Array.from({ length: 20 }, () => data.acquire(3, 'modify'))
    await until('the waits', () => cache.holders().filter(({ what }) => what === 'waits').length === 20)
    const [owner] = (await askJson<MonitorSample>(url, '/stats')).threads
    assert.is(owner!.waitCount, 20)
    assert.is(owner!.waits.length, 16)
    assert.equal(owner!.waits[0]!.heldBy, [0])
    guard.release()
    // In whatever order they get it.
    await Promise.all(waits.map(async (wait) => (await wait).release()))
  }),
)

paths('/pool has as many cells as asked for, and refuses other numbers', () =>
  withMonitor(async ({ url }, { cache }) => {
    assert.equal(await askJson<PoolMap>(url, '/pool?cells=16'), cache.poolMap({ cells: 16 }))
    assert.equal(await askJson<PoolMap>(url, '/pool'), cache.poolMap())
    for (const cells of ['15', '4097', '', '-1', '1e3', '0x20', '16.5', 'x', '99999999999999999999']) {
      const { status, body } = await ask(url, `/pool?cells=${cells}`)
      assert.is(status, 400, cells)
      assert.match(body, 'from 16 to 4096')
    }
  }),
)

paths('/metrics is text of Prometheus, or OpenMetrics for those that accept it, also when asked again', () =>
  withMonitor(async ({ url }, { cache, data }) => {
    for (let block = 0; block < 3; block++) (await data.acquire(block, 'read')).release()
    for (const misses of [3, 4]) {
      for (const [accept, type] of [
        ['application/openmetrics-text;version=1.0.0,text/plain;q=0.5', 'application/openmetrics-text'],
        ['*/*', 'text/plain'],
      ] as const) {
        const { status, headers, body } = await ask(url, '/metrics', { headers: { accept } })
        assert.is(status, 200)
        assert.ok(headers['content-type']!.startsWith(type))
        const labels = { partition: 'data', group: '' }
        const page = parseExposition(body, type !== 'text/plain')
        assert.is(valueOf(page, 'dcache_misses_total', labels), misses)
      }
      ;(await data.acquire(3, 'read')).release()
    }
    await settled(cache)
  }),
)

paths('/trace and the spans of a sample are of the flight recorder', () =>
  withCache(
    { traceEntries: 1024, traceBlocks: false, writeOrder: ['first', 'second'] },
    async ({ cache, data }) => {
      await using shown = await monitor(cache, { port: 0 })
      await data.write(new Uint8Array(512), 0, 'second')
      await settled(cache)
      await cache.flush()
      const { status, body } = await ask(shown.url, '/trace?seconds=60')
      assert.is(status, 200)
      assert.equal(traceFaults(JSON.parse(body)), [])
      assert.match(body, '"disk.fsync"')
      for (const seconds of ['0', '-1', 'x', ''])
        assert.is((await ask(shown.url, `/trace?seconds=${seconds}`)).status, 400, seconds)
      const { spans, timeMs } = JSON.parse((await ask(shown.url, '/stats')).body) as MonitorSample
      const of = (point: string) => spans!.filter((span) => span.point === point)
      for (const point of ['work.round', 'work.stage', 'disk.write', 'disk.fsync'])
        assert.is(of(point).length, 1, point)
      assert.equal(
        [of('work.stage')[0]!.writeClass, of('work.stage')[0]!.blocks, of('disk.write')[0]!.partition],
        ['second', 1, 'data'],
      )
      const [round, sync] = [of('work.round')[0]!, of('disk.fsync')[0]!]
      assert.ok(round.startMs <= sync.startMs && sync.durationMs <= round.durationMs)
      assert.ok(Math.abs(timeMs - round.startMs) < 60_000)
    },
  ),
)

paths('/metrics without prom-client says what to install', () =>
  withCache({}, async ({ cache }) => {
    const code = 'ERR_MODULE_NOT_FOUND'
    const missing = Object.assign(new Error("Cannot find package 'prom-client'"), { code })
    const reply = await new MetricsRoute(cache, () => Promise.reject(missing)).reply()
    assert.is(reply.status, 501)
    assert.match(String(reply.body), 'npm install prom-client')
  }),
)

paths('others are not there, and other methods are not allowed', () =>
  withMonitor(async ({ url }) => {
    for (const path of ['/no', '/stats/', '//stats', '/../etc/passwd', '/page.js', '/favicon.ico', '/%00']) {
      const { status, body } = await ask(url, path)
      assert.is(status, 404, path)
      assert.match(body, '/stats')
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
      const { status, headers } = await ask(url, '/stats', {
        method,
        body: method === 'POST' ? 'x'.repeat(1e5) : '',
      })
      assert.is(status, 405, method)
      assert.is(headers.allow, 'GET, HEAD')
    }
    for (const path of ['/', '/stats', '/pool', '/metrics', '/events']) {
      const { status, headers, body } = await ask(url, path, { method: 'HEAD' })
      assert.is(status, 200, path)
      assert.is(body, '')
      assert.ok(headers['content-type'])
    }
    const off = await ask(url, '/trace?seconds=1')
    assert.is(off.status, 404)
    assert.match(off.body, 'traceEntries')
  }),
)

paths(
  'a name that is not of this machine is refused, so that no other page can use the browser to read',
  () =>
    withMonitor(async ({ url }, { cache }) => {
      const { port } = new URL(url)
      const statusOf = async (at: string, headers: Record<string, string>) =>
        (await ask(at, '/stats', { headers })).status
      for (const host of [
        'localhost',
        `localhost:${port}`,
        'LOCALHOST.',
        '127.0.0.1',
        `127.0.0.1:${port}`,
        '[::1]:1',
      ])
        assert.is(await statusOf(url, { host }), 200, host)
      for (const host of [
        'evil.example',
        `evil.example:${port}`,
        'localhost.evil.example',
        '127.0.0.1.evil.example',
        '10.0.0.1',
        'x',
        '[::2]',
      ])
        assert.is(await statusOf(url, { host }), 403, host)
      const strange = { 'sec-fetch-site': 'cross-site' }
      assert.is(await statusOf(url, { ...strange, 'sec-fetch-mode': 'cors' }), 403)
      assert.is(await statusOf(url, { ...strange, 'sec-fetch-mode': 'navigate' }), 200)

      using folder = tempFolder()
      await using onSocket = await monitor(cache, { socket: join(folder.path, 's') })
      for (const host of ['localhost', 'dcache', ''])
        assert.is(await statusOf(onSocket.url, { host }), 200, host)
      assert.is(await statusOf(onSocket.url, { host: 'evil.example' }), 403)
    }),
)

paths('bytes that are no request do not end it', () =>
  withMonitor(async ({ url }) => {
    const port = Number(new URL(url).port)
    const said = [
      '\0\x01\x02\r\n\r\n',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n',
    ]
    said.push(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`, 'GET /stats HTTP/1.1\r\nHost: localhost\r\n')
    for (const text of said) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(text)
      await pause(20)
      socket.destroy()
    }
    assert.is((await ask(url, '/stats')).status, 200)
  }),
)

options.run()
paths.run()
