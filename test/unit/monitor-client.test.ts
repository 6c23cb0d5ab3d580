// The client of a monitor: addresses as users write them, answers of a monitor, and errors in words.

import { createServer } from 'node:net'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MonitorError, parseAddress } from '#dist/cli/monitor-address.js'
import { MonitorClient } from '#dist/cli/monitor-client.js'
import { fakeMonitor, madeUp } from '../support/fake-monitor.js'
import { tempFolder } from '../support/temp.js'

/** As JSON has it. */
const SAMPLE = JSON.parse(JSON.stringify(madeUp())) as unknown

test('addresses are URLs, hosts, ports and paths of sockets', () => {
  const hosts = [
    ['7000', '127.0.0.1', 7000, '/'],
    ['localhost:7000', 'localhost', 7000, '/'],
    ['[::1]:7000', '::1', 7000, '/'],
    ['http://127.0.0.1:7000', '127.0.0.1', 7000, '/'],
    ['http://[::1]:7000/', '::1', 7000, '/'],
    ['http://example.org', 'example.org', 80, '/'],
    ['http://127.0.0.1:7000/stats', '127.0.0.1', 7000, '/'],
    ['http://127.0.0.1:7000/caches/main', '127.0.0.1', 7000, '/caches/main/'],
  ] as const
  for (const [text, host, port, prefix] of hosts) {
    const address = parseAddress(text)
    assert.equal(address.request, { host, port }, text)
    assert.is(address.prefix, prefix, text)
  }
  for (const path of ['/run/cache.sock', 'cache.sock', './a:1', 'folder/1234'])
    assert.equal(parseAddress(path).request, { socketPath: path })
  assert.equal(parseAddress('unix:/run/cache.sock').request, { socketPath: '/run/cache.sock' })
})

test('what is no address is refused with what one may be', () => {
  for (const text of ['', '0', '65536', 'localhost:0', 'localhost:99999', 'https://127.0.0.1:7000', 'ftp://a', 'http://', 'unix:', 'a\0b'])
    assert.throws(() => parseAddress(text), (error: Error) => error instanceof MonitorError && error.message.includes('HOST:PORT'), text) // prettier-ignore
})

/** The message that reading from there fails with. */
async function failure(address: string): Promise<string> {
  using client = new MonitorClient(parseAddress(address))
  try {
    await client.read()
  } catch (error) {
    assert.instance(error, MonitorError)
    return (error as Error).message
  }
  throw new Error('it was read')
}

test('reads samples over TCP and a Unix socket, over one connection', async () => {
  using folder = tempFolder()
  for (const where of [0, join(folder.path, 'socket')]) {
    const ports = new Set<number | undefined>()
    await using monitor = await fakeMonitor((request) => {
      ports.add(request.socket.remotePort)
      return madeUp()
    }, where)
    using client = new MonitorClient(parseAddress(monitor.address))
    assert.equal(await client.read(), SAMPLE)
    assert.equal(await client.read(), SAMPLE)
    assert.is(monitor.asked(), 2)
    assert.is(ports.size, 1)
  }
})

test('an idle connection that the monitor closes is no failure', async () => {
  await using monitor = await fakeMonitor((request) => {
    setImmediate(() => request.socket.destroy())
    return madeUp()
  })
  using client = new MonitorClient(parseAddress(monitor.address))
  for (let i = 0; i < 5; i++) assert.equal(await client.read(), SAMPLE)
})

test('nothing listens there', async () => {
  using folder = tempFolder()
  const monitor = await fakeMonitor(() => madeUp())
  await monitor.close()
  assert.match(await failure(String(monitor.port)), `nothing listens at 127.0.0.1:${monitor.port}`)
  const path = join(folder.path, 'none')
  assert.match(await failure(path), `there is no socket ${path}`)
  writeFileSync(path, '')
  assert.match(await failure(path), path)
})

test('what listens there is no monitor', async () => {
  const answers: [unknown, RegExp][] = [
    [undefined, /HTTP 404/],
    [[], /no version/],
    [{ version: 1 }, /no statistics/],
    [{ ...madeUp(), threads: 5 }, /no statistics/],
    [{ ...madeUp(), version: 2 }, /version 2/],
  ]
  for (const [answer, why] of answers) {
    await using monitor = await fakeMonitor(() => answer)
    assert.match(await failure(monitor.address), why)
  }
  await using text = await fakeMonitor((_, response) => response.end('hello'))
  assert.match(await failure(text.address), /not the monitor of a dcache.*JSON/)
  const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  assert.match(
    await failure(String((other.address() as AddressInfo).port)),
    /does not speak HTTP|closed the connection/,
  )
  other.close()
})

test('a signal ends a request that is not answered', async () => {
  await using monitor = await fakeMonitor((_, response) => {
    response.writeHead(200)
    response.flushHeaders()
  })
  using client = new MonitorClient(parseAddress(monitor.address))
  const ended = new AbortController()
  const reading = client.read(ended.signal)
  setTimeout(() => ended.abort(), 50)
  try {
    await reading
    assert.unreachable()
  } catch (error) {
    assert.is((error as Error).name, 'AbortError')
  }
})

test.run()
