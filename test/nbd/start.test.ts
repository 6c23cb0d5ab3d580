// @deadline 400
// The start of a server: what is refused, that a failed start leaves nothing behind, which server owns the name of a socket,
// and unusable certificates.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lstatSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serveCommand } from '#dist/cli/serve.js'
import { lockName } from '#dist/net/name-lock.js'
import { listenUnix } from '#dist/net/unix-listener.js'
import { readSources } from '../support/project.js'
import { tempFolder } from '../support/temp.js'
import { Server } from './server.js'
import { WireClient } from './wire-client.js'
import { onlyNormal } from '../support/size.js'

const BLOCK = 4096

function place() {
  const folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(BLOCK * 16))
  const path = join(folder.path, 'socket')
  return { folder, disk, path, args: ['--export', `disk=${disk}`, '--memory', '16MiB'] }
}

const listening = (server: NetServer, where: object): Promise<void> =>
  new Promise((resolve) => server.listen(where, resolve))

async function refused(args: readonly string[], says: RegExp): Promise<void> {
  await using server = new Server(args)
  assert.is((await server.exit).code, 2, `${args.join(' ')}: ${server.text}`)
  assert.match(server.text, says)
}

test('a port or socket in use causes exit code 2, and no name is left', async () => {
  const { folder, args, path } = place()
  using _ = folder
  const other = createServer()
  await listening(other, { port: 0, host: '127.0.0.1' })
  const { port } = other.address() as { port: number }
  const before = readdirSync(folder.path)
  await refused([...args, '--unix', path, '--port', String(port)], /EADDRINUSE/)
  await refused([...args, '--unix', path, '--port', '0', '--host', 'no.such.host.invalid'], /no\.such\.host/)
  assert.equal(readdirSync(folder.path), before)
  other.close()
})

onlyNormal(
  test,
  'an impossible socket path causes exit code 2 with the reason, and no name is left',
  async () => {
    const { folder, args, path } = place()
    using _ = folder
    const before = readdirSync(folder.path)
    await refused([...args, '--unix', join(folder.path, 'x'.repeat(108))], /at most 10[37] bytes/)
    await refused([...args, '--unix', join(folder.path, 'none', 'socket')], /is no folder/)
    await refused([...args, '--unix', folder.path], /is no socket/)
    symlinkSync('nowhere', path)
    await refused([...args, '--unix', path], /is no socket/)
    rmSync(path)
    if (process.getuid!() !== 0) {
      chmodSync(folder.path, 0o500)
      await refused([...args, '--unix', path], /can't be created/)
      chmodSync(folder.path, 0o700)
    }
    await refused(['--export', `a=${folder.path}/none`, '--unix', path], /ERR_DCACHE_BAD_FILE/)
    assert.equal(readdirSync(folder.path), before)
  },
)

onlyNormal(
  test,
  'of two servers that start concurrently with one name, one serves and the other is refused',
  async () => {
    const { folder, disk, path } = place()
    using _ = folder
    const second = join(folder.path, 'second.img')
    writeFileSync(second, Buffer.alloc(BLOCK))
    for (const isStale of [false, true]) {
      if (isStale) {
        await using dead = await Server.start(['--export', `a=${disk}`, '--unix', path])
        await dead.kill()
        assert.ok(lstatSync(path).isSocket())
      }
      const servers = [disk, second].map((file) => new Server(['--export', `a=${file}`, '--unix', path]))
      await using _first = servers[0]!
      await using _second = servers[1]!
      const outcomes = await Promise.all(
        servers.map((server) => Promise.race([server.said('ready').then(() => 'serves', () => 'ended'), server.exit.then(({ code }) => code)])), // prettier-ignore
      )
      assert.is(outcomes.filter((outcome) => outcome === 'serves').length, 1, JSON.stringify(outcomes))
      ;(await WireClient.open({ path }, 'a'))[Symbol.dispose]()
      for (const server of servers) if (server.log.some(({ event }) => event === 'ready')) await server.stop()
      assert.is(readdirSync(folder.path).filter((name) => !name.endsWith('.img')).length, 0)
    }
  },
)

test('one of many servers that try gets a name, and only its owner removes it', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'socket')
  const tries = await Promise.allSettled([1, 2, 3].map(() => listenUnix(path)))
  assert.is(tries.filter(({ status }) => status === 'fulfilled').length, 1)
  const first = (tries.find(({ status }) => status === 'fulfilled') as PromiseFulfilledResult<Awaited<ReturnType<typeof listenUnix>>>).value // prettier-ignore
  assert.not(existsSync(path), 'it is not ready')
  first.publish()
  rmSync(path)
  const second = await listenUnix(path)
  second.publish()
  const { ino } = lstatSync(path)
  first.release()
  await first.remove()
  assert.is(lstatSync(path).ino, ino, 'it belongs to the other server by now')
  second.release()
  // Its own server is closed and no other uses the name: it is stale.
  const third = await listenUnix(path)
  third.publish()
  await second.remove()
  assert.not.equal(lstatSync(path).ino, ino)
  // A program that does not use the lock takes a name before it is published.
  rmSync(path)
  await third.remove()
  third.release()
  const late = await listenUnix(path)
  writeFileSync(path, 'notes')
  assert.throws(() => late.publish(), /another program/)
  late.release()
  await late.remove()
  assert.equal(readdirSync(folder.path), ['socket'])
  const lock = await lockName(path, 0)
  assert.ok(lock, 'the lock is free')
  lock.release()
})

onlyNormal(
  test,
  'exports keep the order of the command line, and all options together may exceed the limit of one argument',
  async () => {
    const { folder, disk, path } = place()
    using _ = folder
    const others = Array.from({ length: 8 }, (_, i) => {
      const file = join(folder.path, `${i}.img`)
      writeFileSync(file, Buffer.alloc(BLOCK))
      return ['--export', `${i}${'\u0001'.repeat(i === 7 ? 0 : 4000)}=${file}`]
    })
    await using server = await Server.start(['--export', `zz=${disk}`, ...others.flat(), '--unix', path, '--memory', '16MiB']) // prettier-ignore
    using client = await WireClient.open({ path }, '')
    await client.read(15 * BLOCK, BLOCK)
    using seventh = await WireClient.open({ path }, '7')
    await seventh.read(0, BLOCK)
    assert.equal(await server.stop(), { code: 0, signal: null })
  },
)

onlyNormal(test, 'SIGHUP does not end a server without a terminal, and SIGINT does', async () => {
  const { folder, args, path } = place()
  using _ = folder
  await using server = await Server.start([...args, '--unix', path])
  server.signal('SIGHUP')
  process.kill(server.enginePid, 'SIGHUP')
  using client = await WireClient.open({ path }, 'disk')
  await client.write(0, Buffer.from('x'))
  assert.not(server.log.some(({ event }) => event === 'stopping'))
  server.signal('SIGINT')
  assert.equal(await server.exit, { code: 0, signal: null })
})

onlyNormal(
  test,
  'after a signal before it is ready, the server ends in order and leaves no name',
  async () => {
    const { folder, args, path } = place()
    using _ = folder
    await using server = new Server([...args, '--unix', path])
    while (!readdirSync(folder.path).some((name) => name.startsWith('socket')))
      await new Promise((resolve) => setTimeout(resolve, 1))
    server.signal('SIGTERM')
    assert.equal(await server.exit, { code: 0, signal: null })
    assert.equal(readdirSync(folder.path), ['disk.img'])
  },
)

test('an unusable certificate causes exit code 2, and an expired one a warning', async () => {
  const { folder, args, path } = place()
  using _ = folder
  const file = (name: string) => join(folder.path, name)
  const certificate = (name: string) => {
    const { status, stderr } = spawnSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`), '-days', '2'], // prettier-ignore
      { encoding: 'utf8' },
    )
    assert.is(status, 0, stderr)
  }
  certificate('server')
  certificate('other')
  writeFileSync(file('empty'), '')
  writeFileSync(file('text'), 'no certificate here\n')
  writeFileSync(file('damaged'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  const options = (cert: string, key: string, authority?: string) => [
    ...args,
    ...['--unix', path, '--tls-certificate', file(cert), '--tls-key', file(key)],
    ...(authority === undefined ? [] : ['--tls-client-authority', file(authority)]),
  ]
  for (const [wrong, says] of [
    [options('server.pem', 'other.key'), /does not belong to the certificate/],
    [options('none', 'server.key'), /--tls-certificate .*can't be read/],
    [options('empty', 'server.key'), /--tls-certificate .* holds no certificate/],
    [options('damaged', 'server.key'), /--tls-certificate .* damaged/],
    [options('server.pem', 'empty'), /--tls-key .* no usable private key/],
    [options('server.pem', 'server.pem'), /--tls-key .* no usable private key/],
    [options('server.pem', 'server.key', 'empty'), /--tls-client-authority .* holds no certificate/],
    [options('server.pem', 'server.key', 'text'), /--tls-client-authority .* holds no certificate/],
    [options('server.pem', 'server.key', 'damaged'), /--tls-client-authority .* damaged/],
    [options('server.pem', 'server.key', 'none'), /--tls-client-authority .*can't be read/],
    [[...args, '--unix', path, '--tls-client-authority', file('server.pem')], /needs both/],
  ] as const) {
    await refused(wrong, says)
    assert.not(existsSync(path))
  }
  spawnSync('openssl', [
    'req',
    '-new',
    '-key',
    file('other.key'),
    '-subj',
    '/CN=old',
    '-out',
    file('old.csr'),
  ])
  spawnSync('openssl', ['x509', '-req', '-in', file('old.csr'), '-signkey', file('other.key'), '-days', '-1', '-out', file('old.pem')]) // prettier-ignore
  await using server = await Server.start(options('server.pem', 'server.key', 'old.pem'))
  assert.match((await server.said('certificate')).message, /--tls-client-authority .*expired/)
})

test('every option that a message names exists', () => {
  const options = new Set(serveCommand().options.map(({ long }) => long))
  let named = 0
  for (const [path, text] of readSources()) {
    if (!/^(nbd|cli\/serve)/.test(path)) continue
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    for (const [option] of code.matchAll(/(?<![\w-])--[a-z][\w-]*/g)) {
      named++
      assert.ok(options.has(option), `${path} names ${option}`)
    }
  }
  assert.ok(named > 20)
})

test.run()
