// Viewers of the monitor's stream: one sampler for all, events, and viewers that read slowly or never, which must cost nothing.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { BlockCache, CacheStats } from 'dcache'
import { LIMITS, type Limits, MonitorServer } from '#dist/monitor/server.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { failWrites } from '../support/failing-file.js'
import { ask, Stream } from '../support/monitor.js'
import { refusal, settled, startThread, until, withCache } from '../support/open.js'
import { tempFolder } from '../support/temp.js'

interface Shown extends AsyncDisposable {
  readonly server: MonitorServer
  readonly url: string
  readonly socket: string
}

/** On a Unix socket, whose buffers in the system are small, and with other limits than users get. */
async function show(cache: BlockCache, limits: Partial<Limits> = {}): Promise<Shown> {
  const folder = tempFolder()
  const socket = join(folder.path, 's')
  const server = new MonitorServer(cache, 'test', { ...LIMITS, intervalMs: 20, ...limits })
  const url = await server.listen({ port: undefined, socket })
  return {
    server,
    url,
    socket,
    async [Symbol.asyncDispose]() {
      await server.end()
      folder[Symbol.dispose]()
    },
  }
}

/** The cache, and how often its statistics were read. */
function counted(cache: BlockCache): { cache: BlockCache; calls: () => number } {
  let calls = 0
  const stats = (): CacheStats => {
    calls++
    return cache.stats()
  }
  const proxy = new Proxy(cache, {
    get(target, name) {
      if (name === 'stats') return stats
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })
  return { cache: proxy, calls: () => calls }
}

/** The connections of monitors, as the server sees them. */
function connections(): { readonly open: Set<Socket>; readonly queuedBytes: () => number } & Disposable {
  const open = new Set<Socket>()
  const seen = (message: unknown) => {
    const { socket } = message as { readonly socket: Socket; readonly server: Server }
    if (open.has(socket)) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }
  subscribe('http.server.request.start', seen)
  return {
    open,
    queuedBytes: () => [...open].reduce((sum, { writableLength }) => sum + writableLength, 0),
    [Symbol.dispose]: () => {
      unsubscribe('http.server.request.start', seen)
    },
  }
}

/** A viewer that asks, and then never reads. */
function deaf(path: string): Socket {
  const socket = connect(path)
  socket.on('error', () => undefined)
  socket.pause()
  socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  return socket
}

const viewers = suite('viewers')

viewers('share one sampler, which runs only while there are some', () =>
  withCache({}, async ({ cache }) => {
    const { cache: looked, calls } = counted(cache)
    await using shown = await show(looked)
    assert.is(calls(), 0)
    const streams = Array.from({ length: 10 }, () => new Stream(shown.url))
    for (const stream of streams) await stream.has(3)
    const [before, seen] = [calls(), streams[0]!.samples.length]
    await streams[0]!.has(seen + 10)
    // One for each viewer at its beginning, and then one for all.
    assert.ok(calls() - before <= streams[0]!.samples.length - seen + 5, `${calls() - before} looks`)
    for (const stream of streams) stream[Symbol.dispose]()
    await until('the viewers to leave', () => shown.server.viewers === 0)
    const after = calls()
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.is(calls(), after)
  }),
)

viewers('get samples in order, with totals that never fall', () =>
  withCache({}, async ({ cache, data }) => {
    await using shown = await show(cache)
    using stream = new Stream(shown.url)
    for (let i = 0; i < 50; i++) {
      ;(await data.acquire(i, 'read')).release()
      if (i % 10 === 0) await stream.has(stream.samples.length + 1)
    }
    await stream.has(stream.samples.length + 2)
    const lookups = stream.samples.map(({ stats }) => stats.lookups)
    assert.equal(lookups, [...lookups].sort((a, b) => a - b)) // prettier-ignore
    assert.is(lookups.at(-1), 50)
  }),
)

viewers('over the limit are refused, and find a place when another one has left', () =>
  withCache({}, async ({ cache }) => {
    await using shown = await show(cache, { viewersMax: 3 })
    const streams = Array.from({ length: 3 }, () => new Stream(shown.url))
    for (const stream of streams) await stream.has(1)
    const { status, headers, body } = await ask(shown.url, '/events')
    assert.is(status, 503)
    assert.is(headers['retry-after'], '5')
    assert.match(body, '3 viewers')
    assert.is((await ask(shown.url, '/stats')).status, 200)
    streams[0]![Symbol.dispose]()
    await until('a place', () => shown.server.viewers === 2)
    using late = new Stream(shown.url)
    await late.has(1)
    for (const stream of streams) stream[Symbol.dispose]()
  }),
)

viewers('that never read have a bounded queue, and disturb no other', () => {
  const partitions = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`partition ${i}`, { blocks: 1 }]),
  )
  return withCache({ partitions, maxPartitions: 60 }, async ({ cache }) => {
    using seen = connections()
    await using shown = await show(cache, { intervalMs: 10, stallMs: 1e6 })
    const sampleBytes = (await ask(shown.url, '/stats')).body.length
    const sockets = Array.from({ length: 100 }, () => deaf(shown.socket))
    using reader = new Stream(shown.url)
    await until('all viewers', () => shown.server.viewers === 101)
    const most = 100 * (16_384 + 2 * sampleBytes)
    let peak = 0
    // Until the connections are full, and for 20 more samples.
    await until('full queues', () => {
      peak = Math.max(peak, seen.queuedBytes())
      return [...seen.open].filter(({ writableLength }) => writableLength > 0).length >= 100
    })
    const samples = reader.samples.length
    await until('more samples', () => {
      peak = Math.max(peak, seen.queuedBytes())
      return reader.samples.length > samples + 20
    })
    assert.ok(peak <= most, `${peak} bytes are queued for 100 viewers, of samples of ${sampleBytes}`)
    assert.is(shown.server.viewers, 101)
    for (const socket of sockets) socket.destroy()
  })
})

viewers('that never read are closed after a time, others are not', () =>
  withCache({}, async ({ cache }) => {
    await using shown = await show(cache, { intervalMs: 5, stallMs: 1000 })
    using reader = new Stream(shown.url)
    const sockets = Array.from({ length: 5 }, () => deaf(shown.socket))
    await until('a viewer', () => shown.server.viewers > 1)
    await until('the end of those that do not read', () => shown.server.viewers === 1)
    assert.not(reader.isEnded)
    await reader.has(reader.samples.length + 1)
    for (const socket of sockets) socket.destroy()
  }),
)

viewers('that stop for a while go on, and get the events that they missed', () =>
  withCache({}, async ({ cache }) => {
    using seen = connections()
    await using shown = await show(cache, { intervalMs: 2 })
    const socket = deaf(shown.socket)
    await until('a full queue', () => seen.queuedBytes() >= 16_384)
    const dead = startThread(cache.handle, 0, ({ pass }) => {
      pass(0)
    })
    await until('the thread', () => cache.threads().some(({ slot }) => slot > 18))
    await dead.worker.terminate()
    await until('its end', () => !cache.threads().some(({ slot }) => slot > 18))
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.resume()
    await until('the event', () => text.includes('"name":"workerDied"'))
    socket.destroy()
  }),
)

viewers('that ask for many things at once, and read nothing, are bounded too', () =>
  withCache({}, async ({ cache }) => {
    using seen = connections()
    await using shown = await show(cache, { stallMs: 2000 })
    const socket = connect(shown.socket)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(5000))
    await until('a full queue', () => seen.queuedBytes() > 0)
    for (let i = 0; i < 20; i++) {
      assert.ok(seen.queuedBytes() < 4e6, String(seen.queuedBytes()))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until('its end', () => seen.open.size === 0)
    assert.is((await ask(shown.url, '/stats')).status, 200)
  }),
)

const events = suite('events')

events('of the owner come at once, with their errors, and are kept for viewers that come later', () =>
  withCache(
    { partitions: { 'a "<b>': {}, other: {} }, flushDelayMs: 1e9 },
    async ({ cache, data, arena, paths }) => {
      await using shown = await show(cache, { intervalMs: 1e6 })
      using stream = new Stream(shown.url)
      await stream.has(1)
      using failing = failWrites(arena, 0, paths['a "<b>']!)
      await data.write(new Uint8Array(512), 0, 'data')
      await settled(cache)
      await refusal('ERR_DCACHE_FENCED', () => cache.flush())
      const { info: fenced, timeMs } = await stream.hears('fenced')
      assert.is(fenced['partition'], 'a "<b>')
      assert.match((fenced['error'] as Error).message, 'EBADF')
      assert.ok(Math.abs(timeMs - Date.now()) < 1e6)
      failing.repair()
      await cache.retry('a "<b>')
      await stream.hears('retry')
      await stream.hears('restored')

      const { worker } = startThread(cache.handle, 0, ({ pass }) => {
        pass(0)
      })
      await until('the thread', () => cache.threads().some(({ slot }) => slot > 18))
      await worker.terminate()
      const { info } = await stream.hears('workerDied')
      assert.type(info['threadId'], 'number')

      using late = new Stream(shown.url)
      await late.hears('workerDied')
      assert.equal(late.events, stream.events)
      // A browser that connects again says what it has seen.
      using again = new Stream(shown.url, { 'last-event-id': late.id })
      await again.has(1)
      assert.equal(again.events, [])
      for (const id of ['', 'x', 'x.1', `${late.id}9999999999999999`, '.1']) {
        using stranger = new Stream(shown.url, { 'last-event-id': id })
        await stranger.hears('workerDied')
      }
    },
  ),
)

events('are seen in the samples by a monitor of an attached thread', () =>
  withCache({ flushDelayMs: 1e9 }, async ({ cache, data, arena, paths }) => {
    // As an attached thread's: without events.
    const { cache: looked } = counted(cache)
    const client = new Proxy(looked, { has: (target, name) => name !== 'on' && name in target })
    await using shown = await show(client)
    using stream = new Stream(shown.url)
    await stream.has(1)
    using failing = failWrites(arena, 0, paths['data']!)
    await data.write(new Uint8Array(512), 0)
    await settled(cache)
    await refusal('ERR_DCACHE_FENCED', () => cache.flush())
    assert.equal((await stream.hears('fenced')).info, { partition: 'data' })
    failing.repair()
    await cache.retry('data')
    assert.equal((await stream.hears('restored')).info, { partition: 'data' })
  }),
)

viewers.run()
events.run()
