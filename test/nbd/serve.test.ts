// @deadline 240
// `dcache serve` as a process: its start and end, which clients it refuses, that bad clients do not affect others, and that
// all connections on all threads see one device.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'
import { Server } from './server.js'
import { clientFlags, opening, optionBytes, requestBytes, WireClient } from './wire-client.js'
import { onlyNormal } from '../support/size.js'

const BLOCK = 4096
const BLOCKS = 256

function place() {
  const folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(BLOCK * BLOCKS))
  const path = join(folder.path, 'socket')
  return { folder, disk, path, args: ['--export', `disk=${disk}`, '--unix', path, '--memory', '16MiB'] }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 30_000; !isSo();) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('on SIGUSR2 the log lists the threads that hold and wait', async () => {
  const { folder, args } = place()
  using _ = folder
  await using server = await Server.start(args)
  server.signal('SIGUSR2')
  assert.match((await server.said('holders')).message, /^(thread \d+|no thread holds)/)
})

test('an answered write is seen by every other connection, with four connections on two threads', async () => {
  const { folder, path, args } = place()
  using _ = folder
  await using server = await Server.start([...args, '--threads', '2'])
  const clients: WireClient[] = []
  const threads = () =>
    new Set(server.log.filter(({ event }) => event === 'opened').map((line) => String(line['connection'])[0]))
  // The system distributes connections to threads; on a busy machine one thread may get many.
  while (clients.length < 60 && (clients.length < 8 || threads().size < 2)) {
    clients.push(...(await Promise.all([1, 2, 3, 4].map(() => WireClient.open({ path }, 'disk')))))
    await until(
      'all are answered',
      () => server.log.filter(({ event }) => event === 'opened').length === clients.length,
    )
  }
  assert.is(threads().size, 2, 'both threads serve')
  for (let round = 0; round < 300; round++) {
    const block = round % 7
    const writer = clients[round % clients.length]!
    const bytes = Buffer.alloc(BLOCK, round % 251)
    bytes.writeUInt32BE(round, 0)
    await writer.write(block * BLOCK, bytes)
    for (const reader of clients) assert.equal(await reader.read(block * BLOCK, BLOCK), bytes)
  }
  for (const client of clients) client[Symbol.dispose]()
  assert.equal(await server.stop(), { code: 0, signal: null })
})

test('after SIGTERM answered writes are on the disk, the socket is removed, and the log lists the connections', async () => {
  const { folder, disk, path, args } = place()
  using _ = folder
  await using server = await Server.start([...args, '--flush-delay', '3600'])
  using client = await WireClient.open({ path }, 'disk')
  await client.write(3 * BLOCK + 5, Buffer.from('hello'))
  await client.read(0, 100)
  assert.is(readFileSync(disk)[3 * BLOCK + 5], 0)
  assert.equal(await server.stop(), { code: 0, signal: null })
  await client.closed
  assert.is(readFileSync(disk).toString('latin1', 3 * BLOCK + 5, 3 * BLOCK + 10), 'hello')
  assert.not(existsSync(path))
  const closed = server.log.find(({ event }) => event === 'closed')!
  assert.is(closed['writes'], 1)
  assert.is(closed['bytesRead'], 100)
  assert.is(server.text, '')
})

onlyNormal(test, 'a second signal ends the server at once, with a message', async () => {
  const { folder, path, args } = place()
  using _ = folder
  await using server = await Server.start(args)
  // The client does not read its reply, so the server waits for this client when it ends.
  using client = await WireClient.open({ path }, 'disk')
  client.socket.pause()
  for (let i = 0; i < 40; i++) void client.request(nbd.NBD_CMD_READ, 0, BLOCK * BLOCKS)
  server.signal('SIGTERM')
  await server.said('stopping')
  server.signal('SIGTERM')
  const { code } = await server.exit
  assert.is(code, 1)
  assert.ok(server.log.some(({ event }) => event === 'leaving'))
})

onlyNormal(test, 'when the launcher is killed, the engine flushes and ends', async () => {
  const { folder, disk, path, args } = place()
  using _ = folder
  await using server = await Server.start([...args, '--flush-delay', '3600'])
  using client = await WireClient.open({ path }, 'disk')
  await client.write(0, Buffer.from('kept'))
  server.signal('SIGKILL')
  await until('the end of the engine', () => !existsSync(`/proc/${server.enginePid}`))
  assert.is(readFileSync(disk).toString('latin1', 0, 4), 'kept')
})

onlyNormal(
  test,
  "a live server's socket is refused, a stale one is replaced, another file is left alone",
  async () => {
    const { folder, disk, path, args } = place()
    using _ = folder
    {
      await using server = await Server.start(args)
      const other = join(folder.path, 'other.img')
      writeFileSync(other, Buffer.alloc(BLOCK))
      await using second = new Server(['--export', `other=${other}`, '--unix', path])
      assert.is((await second.exit).code, 2)
      assert.match(second.text, /a server already listens/)
      await using third = new Server(['--export', `disk=${disk}`, '--port', '0'])
      assert.is((await third.exit).code, 2)
      assert.match(third.text, /ERR_DCACHE_IN_USE/)
      ;(await WireClient.open({ path }, 'disk'))[Symbol.dispose]()
      await server.kill()
    }
    assert.ok(existsSync(path), 'the socket is stale now')
    {
      await using server = await Server.start(args)
      ;(await WireClient.open({ path }, 'disk'))[Symbol.dispose]()
      await server.stop()
    }
    folder.write('socket', 'another program keeps notes here')
    await using server = new Server(args)
    assert.is((await server.exit).code, 2)
    assert.match(server.text, /exists and is no socket/)
    assert.is(readFileSync(path, 'utf8'), 'another program keeps notes here')
  },
)

test('a server that cannot start prints the reason and exits with code 2', async () => {
  const { folder, disk, path } = place()
  using _ = folder
  for (const [args, says] of [
    [['--unix', path], /no export: give --export/],
    [['--export', `a=${disk}`, '--max-exports', '2', '--unix', path], /needs --exports/],
    [['--export', 'nothing'], /NAME=PATH/],
    [['--export', `a=${disk}`], /--unix SOCKET or --port/],
    [['--export', `a=${disk}`, '--export', `a=${disk}`], /given twice/],
    [['--export', `a=${folder.path}/none`, '--unix', path], /ERR_DCACHE_BAD_FILE/],
    [['--export', `a=${disk}:1000`, '--unix', path], /ERR_DCACHE_BAD_BLOCK_SIZE/],
    [['--export', `a=${disk}`, '--unix', path, '--tls-key', disk], /needs both/],
  ] as const) {
    await using server = new Server(args)
    assert.is((await server.exit).code, 2, args.join(' '))
    assert.match(server.text, says)
    assert.not(existsSync(path))
  }
})

onlyNormal(test, 'sockets passed by systemd (LISTEN_FDS) are served', async () => {
  const { folder, disk } = place()
  using _ = folder
  const holder = createServer()
  const bound = join(folder.path, 'bound')
  const path = join(folder.path, 'activated')
  await new Promise<void>((resolve) => holder.listen(bound, resolve))
  // The holder of the socket removes the name that it created.
  renameSync(bound, path)
  const { fd } = (holder as unknown as { _handle: { fd: number } })._handle
  const command = join(projectRoot, 'dist/cli/main.js')
  // The shell becomes the server, so LISTEN_PID must be its process id.
  const script = `LISTEN_PID=$$ LISTEN_FDS=1 exec "${process.execPath}" "${command}" serve --json --export "disk=${disk}" --memory 16MiB`
  const server = spawn('sh', ['-c', script], { stdio: ['ignore', 'inherit', 'pipe', fd] })
  holder.close()
  let log = ''
  server.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()))
  try {
    await until('it is ready', () => log.includes('"ready"'))
    using client = await WireClient.open({ path }, 'disk')
    await client.write(0, Buffer.from('x'))
    assert.is((await client.read(0, 1)).toString(), 'x')
  } finally {
    server.kill('SIGTERM')
    await once(server, 'exit')
  }
})

test('only bad clients are dropped, each with its reason in the log', async () => {
  const { folder, path, args } = place()
  using _ = folder
  await using server = await Server.start([...args, '--handshake-timeout', '1', '--stall-timeout', '2'])
  using good = await WireClient.open({ path }, 'disk')
  const bad: readonly [RegExp, (client: WireClient) => void][] = [
    [/no export was chosen/, () => {}],
    [/no export was chosen/, (client) => client.socket.write(clientFlags.subarray(0, 2))],
    [/no export was chosen/, (client) => {
      client.socket.write(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_INFO, Buffer.alloc(9)).subarray(0, 20)]))
    }],
    [/does not support fixed newstyle/, (client) => client.socket.write(Buffer.alloc(4))],
    [/unknown client flags/, (client) => client.socket.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'))],
    [/IHAVEOPT/, (client) => client.socket.write(Buffer.concat([clientFlags, Buffer.alloc(16)]))],
    [/NBD_REQUEST_MAGIC/, (client) => client.socket.write(Buffer.concat([opening('disk', false), Buffer.alloc(28)]))],
    [/a write of 4294967295 bytes/, (client) => {
      client.socket.write(Buffer.concat([opening('disk', false), requestBytes(1, 0, 0, 2 ** 32 - 1)]))
    }],
    [/in the middle of a message/, (client) => {
      client.socket.write(Buffer.concat([opening('disk', false), requestBytes(1, 0, 0, BLOCK).subarray(0, 28), Buffer.alloc(99)]))
    }],
    [/in the middle of a message/, (client) => {
      client.socket.write(opening('disk', false))
      client.socket.pause()
      for (let i = 0; i < 100; i++) client.socket.write(requestBytes(0, i, 0, BLOCK * BLOCKS))
    }],
  ] // prettier-ignore
  const clients = bad.map(([, act]) => {
    const client = new WireClient({ path })
    act(client)
    return client
  })
  // Cut off in the middle of a request, and at the very start.
  const cut = new WireClient({ path })
  cut.socket.write(Buffer.concat([opening('disk', false), requestBytes(1, 0, 0, BLOCK)]))
  await cut.take(18)
  cut.socket.destroy()
  for (let i = 0; i < 300; i++) {
    await good.write((i % BLOCKS) * BLOCK, Buffer.alloc(BLOCK, i))
    assert.is((await good.read((i % BLOCKS) * BLOCK, 1))[0], i % 256)
  }
  const reasons = () =>
    server.log.filter(({ event }) => event === 'closed').map((line) => String(line['reason']))
  await until('all are dropped', () => reasons().length >= bad.length + 1)
  for (const [reason] of bad) assert.ok(reasons().some((text) => reason.test(text)), String(reason)) // prettier-ignore
  await good.flush()
  for (const client of clients) client[Symbol.dispose]()
})

onlyNormal(test, 'connections above the limit are refused, and accepted when others have ended', async () => {
  const { folder, path, args } = place()
  using _ = folder
  await using server = await Server.start([...args, '--connections', '3', '--threads', '2'])
  const three = await Promise.all([1, 2, 3].map(() => WireClient.open({ path }, 'disk')))
  using fourth = new WireClient({ path })
  await fourth.closed
  await server.said('refused')
  await three[0]!.write(0, Buffer.from('fine'))
  three[1]![Symbol.dispose]()
  await server.said('closed')
  using fifth = await WireClient.open({ path }, 'disk')
  assert.is((await fifth.read(0, 4)).toString(), 'fine')
  for (const client of three) client[Symbol.dispose]()
})

onlyNormal(
  test,
  'a connection worker that dies is replaced, and other and new connections are served',
  async () => {
    const { folder, disk, path, args } = place()
    using _ = folder
    const trigger = join(folder.path, 'die')
    const mortal = fileURLToPath(new URL('./mortal.js', import.meta.url))
    await using server = await Server.start([...args, '--threads', '2'], {
      NODE_OPTIONS: `--import ${mortal}`,
      DCACHE_TEST_DIE: trigger,
    })
    const clients = await Promise.all(Array.from({ length: 6 }, () => WireClient.open({ path }, 'disk')))
    const threadOf = (line: Readonly<Record<string, unknown>>) => String(line['connection']).split('.')[0]
    for (let death = 0; death < 3; death++) {
      const from = server.log.length
      await Promise.all(
        clients.map((client, i) => client.write(i * BLOCK, Buffer.alloc(BLOCK, death + 1)).catch(() => {})),
      )
      writeFileSync(trigger, String(death % 2))
      await until('it is replaced', () =>
        server.log
          .slice(from)
          .some(({ event, message }) => event === 'worker' && message.includes('was replaced')),
      )
      const alive = await Promise.all(clients.map((client) => client.read(0, 1).then(() => 1, () => 0))) // prettier-ignore
      if (death === 0) assert.ok(alive.includes(1), 'connections of the other thread continue')
      const fresh = await Promise.all(Array.from({ length: 6 }, () => WireClient.open({ path }, 'disk')))
      for (const [i, client] of fresh.entries()) {
        assert.equal(await client.read(i * BLOCK, BLOCK), Buffer.alloc(BLOCK, death + 1))
        clients[i]![Symbol.dispose]()
        clients[i] = client
      }
    }
    assert.ok(server.log.filter(({ event }) => event === 'opened').map(threadOf).length > 6)
    for (const client of clients) client[Symbol.dispose]()
    assert.equal(await server.stop(), { code: 0, signal: null })
    assert.is(readFileSync(disk)[0], 3)
  },
)

test.run()
