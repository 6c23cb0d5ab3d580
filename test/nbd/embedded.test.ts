// The block server inside a program (`dcache/nbd`): it serves sockets that the program accepts, on the owner's thread and on an
// attached one, shares the cache with the program, and ends in order.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type BlockCache, CacheError } from 'dcache'
import { type BlockServer, type BlockServerOptions, createBlockServer, type LogEntry } from 'dcache/nbd'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { type EngineFiles, engineFiles } from '../support/engine.js'
import { tempFolder } from '../support/temp.js'
import { askTls, makeCertificates, secure } from './certificates.js'
import { goData, optionBytes, requestBytes, WireClient } from './wire-client.js'

const BLOCK = 4096

interface Place {
  readonly files: EngineFiles
  readonly cache: BlockCache
  readonly server: BlockServer
  readonly log: LogEntry[]
  readonly path: string
  readonly listener: Server
}

/** Runs a body with an embedded server, ends the server if the body has not, and closes the cache. */
async function serving(
  options: Partial<BlockServerOptions>,
  body: (place: Place) => Promise<void>,
): Promise<void> {
  using files = engineFiles({
    blocks: 64,
    partitions: {
      disk: { blockSize: BLOCK, blocks: 32 },
      fixed: { blockSize: 512, blocks: 16, readOnly: true },
    },
  })
  const cache = await files.open()
  const log: LogEntry[] = []
  const server = createBlockServer(cache, {
    exports: ['disk', 'fixed'],
    log: (entry) => log.push(entry),
    ...options,
  })
  const path = join(files.folder, 'socket')
  // Without options, as a program would write it: the server sets what it needs.
  const listener = createServer((socket) => {
    server.accept(socket)
  }).listen(path)
  await once(listener, 'listening')
  try {
    await body({ files, cache, server, log, path, listener })
  } finally {
    listener.close()
    await server.close()
    assert.equal(cache.check(), [])
    await cache.close()
  }
}

test('clients and the program share one cache, and what a client flushes is on the disk', () =>
  serving({}, async ({ files, cache, server, path, log }) => {
    const disk = cache.partition('disk')
    await disk.write(Buffer.from('program'), 100)
    using client = await WireClient.open({ path }, 'disk')
    assert.is((await client.read(100, 7)).toString(), 'program')
    await client.write(200, Buffer.from('client'))
    const bytes = new Uint8Array(6)
    await disk.read(bytes, 200)
    assert.is(Buffer.from(bytes).toString(), 'client')
    assert.is((await client.request(nbd.NBD_CMD_FLUSH, 0, 0)).error, 0)
    assert.is(files.contents('disk').toString('latin1', 200, 206), 'client')
    assert.is(server.connections, 1)
    using reader = await WireClient.open({ path }, 'fixed')
    assert.is((await reader.request(nbd.NBD_CMD_WRITE, 0, 1, 0, Buffer.from('x'))).error, nbd.NBD_EPERM)
    assert.equal(
      log.map(({ event, fields }) => [event, fields['export']]),
      [
        ['opened', 'disk'],
        ['opened', 'fixed'],
      ],
    )
  }))

test('a client that closes its side gets its replies, and then the end', () =>
  serving({}, async ({ path }) => {
    using client = await WireClient.open({ path }, 'disk')
    const replies = Array.from({ length: 20 }, (_, i) => client.request(nbd.NBD_CMD_READ, i * BLOCK, BLOCK))
    client.socket.end()
    for (const reply of replies) assert.is((await reply).data.length, BLOCK)
    await client.closed
  }))

test('close() finishes the requests that are being served, and refuses new clients', () =>
  serving({}, async ({ cache, server, path, log }) => {
    const guard = await cache.partition('disk').acquire(3, 'modify')
    using client = await WireClient.open({ path }, 'disk')
    const reply = client.read(3 * BLOCK, 4)
    // Answered after the read was received, since a session takes its requests in order.
    await client.read(0, 1)
    const closed = server.close()
    assert.is(server.close(), closed)
    let isClosed = false
    void closed.then(() => (isClosed = true))
    using late = new WireClient({ path })
    await late.closed
    assert.is(isClosed, false)
    guard.bytes.set(Buffer.from('done'))
    guard.markDirty()
    guard.release()
    assert.is((await reply).toString(), 'done')
    await closed
    assert.is(server.connections, 0)
    assert.match(log.find(({ event }) => event === 'refused')?.message ?? '', /the server stops/)
  }))

test('clients above the limit are refused, and the log says so', () =>
  serving({ connectionsMax: 1 }, async ({ path, log }) => {
    using _ = await WireClient.open({ path }, 'disk')
    using second = new WireClient({ path })
    await second.closed
    const { level, fields } = log.find(({ event }) => event === 'refused')!
    assert.is(level, 'warn')
    assert.is(fields['connectionsMax'], 1)
  }))

test('a client that stops within a message is dropped', () =>
  serving({ stallTimeoutMs: 200 }, async ({ path, log }) => {
    using client = await WireClient.open({ path }, 'disk')
    client.socket.write(requestBytes(nbd.NBD_CMD_WRITE, 0, 0, 100).subarray(0, 20))
    await client.closed
    // The server hears of the end of a socket in a later turn.
    while (!log.some(({ event }) => event === 'closed')) await setTimeout(1)
    assert.match(log.at(-1)!.message, /stood still/)
  }))

test('with certificates TLS is required, and a client is served over it', async () => {
  using folder = tempFolder()
  const { authority } = makeCertificates(folder.path)
  const pem = (name: string) => readFileSync(join(folder.path, `localhost.${name}`), 'utf8')
  await serving({ tls: { cert: pem('pem'), key: pem('key') } }, async ({ path }) => {
    await WireClient.open({ path }, 'disk').then(
      () => assert.unreachable(),
      (error: unknown) => {
        assert.match(String(error), /0x80000005/)
      },
    )
    using plain = await askTls(path)
    const safe = secure(plain, authority)
    safe.write(optionBytes(nbd.NBD_OPT_GO, goData('disk')))
    const [bytes] = (await once(safe, 'data')) as [Buffer]
    assert.is(bytes.readUInt32BE(12), nbd.NBD_REP_INFO)
    safe.destroy()
  })
})

test('several servers may share a cache', () =>
  serving({}, async ({ cache, path }) => {
    const second = createBlockServer(cache, { exports: ['disk'] })
    const listener = createServer((socket) => {
      second.accept(socket)
    }).listen(`${path}2`)
    await once(listener, 'listening')
    try {
      using one = await WireClient.open({ path }, 'disk')
      using other = await WireClient.open({ path: `${path}2` }, 'disk')
      await one.write(0, Buffer.from('shared'))
      assert.is((await other.read(0, 6)).toString(), 'shared')
    } finally {
      listener.close()
      await second.close()
    }
  }))

test('bad options are refused with a code', () =>
  serving({}, async ({ cache, files }) => {
    makeCertificates(files.folder)
    const pem = (name: string) => readFileSync(join(files.folder, name), 'utf8')
    const [cert, key, otherKey] = [pem('localhost.pem'), pem('localhost.key'), pem('client.key')]
    const refused: readonly [unknown, string, RegExp][] = [
      [undefined, 'ERR_DCACHE_BAD_OPTION', /the options are undefined/],
      [{}, 'ERR_DCACHE_BAD_OPTION', /exports is undefined/],
      [{ exports: [] }, 'ERR_DCACHE_BAD_OPTION', /exports is \[\]/],
      [{ exports: 'disk' }, 'ERR_DCACHE_BAD_OPTION', /exports is 'disk'/],
      [{ exports: ['disk', 'disk'] }, 'ERR_DCACHE_BAD_OPTION', /each once/],
      [{ exports: ['other'] }, 'ERR_DCACHE_UNKNOWN_PARTITION', /'other'/],
      [{ exports: ['disk'], connectionsMax: 0 }, 'ERR_DCACHE_BAD_OPTION', /connectionsMax is 0/],
      [{ exports: ['disk'], connectionsMax: 1e6 }, 'ERR_DCACHE_BAD_OPTION', /connectionsMax is 1000000/],
      [{ exports: ['disk'], handshakeTimeoutMs: -1 }, 'ERR_DCACHE_BAD_OPTION', /handshakeTimeoutMs is -1/],
      [{ exports: ['disk'], stallTimeoutMs: NaN }, 'ERR_DCACHE_BAD_OPTION', /stallTimeoutMs is NaN/],
      [{ exports: ['disk'], log: 'stderr' }, 'ERR_DCACHE_BAD_OPTION', /log is 'stderr'/],
      [{ exports: ['disk'], tls: { cert } }, 'ERR_DCACHE_BAD_OPTION', /tls\.key is undefined/],
      [{ exports: ['disk'], tls: { cert: 'none', key } }, 'ERR_DCACHE_BAD_OPTION', /tls\.cert holds no certificate/],
      [{ exports: ['disk'], tls: { cert, key: otherKey } }, 'ERR_DCACHE_BAD_OPTION', /tls\.key does not belong/],
      // Node would accept every client with a publicly signed certificate.
      [{ exports: ['disk'], tls: { cert, key, ca: '' } }, 'ERR_DCACHE_BAD_OPTION', /tls\.ca holds no certificate/],
    ] // prettier-ignore
    for (const [options, code, message] of refused) {
      try {
        createBlockServer(cache, options as BlockServerOptions)
        assert.unreachable(String(message))
      } catch (error) {
        assert.instance(error, CacheError)
        assert.is((error as CacheError).code, code)
        assert.match((error as CacheError).message, message)
      }
    }
    await Promise.resolve()
  }))

test.run()
