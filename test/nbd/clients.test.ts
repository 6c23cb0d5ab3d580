// @deadline 240
// Clients of other projects against `dcache serve`: the tools of libnbd and qemu, and fio. What they wrote is afterwards
// read from the file, without the cache.

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs } from '../support/left-out.js'
import { onlyNormal } from '../support/size.js'
import { tempFolder, type TempFolder } from '../support/temp.js'
import { Server } from './server.js'
import { fioVerify, unixUri } from './fio.js'

const MIB = 2 ** 20

interface Run {
  readonly status: number | null
  readonly output: string
}

/** Runs a program to its end without blocking this thread, which reads the server's log. */
function run(command: string, ...args: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', (status) => {
      resolve({ status, output })
    })
  })
}

async function succeed(command: string, ...args: string[]): Promise<string> {
  const { status, output } = await run(command, ...args)
  assert.is(status, 0, `${command} ${args.join(' ')}\n${output}`)
  return output
}

/** Bytes without repetition. */
function noise(bytes: number, seed: number): Buffer {
  const words = new Uint32Array(bytes / 4)
  let state = seed | 1
  for (let i = 0; i < words.length; i++) words[i] = state = Math.imul(state, 1664525) + 1013904223
  return Buffer.from(words.buffer)
}

/** A server with two exports, on a Unix socket and a port. */
async function serve(folder: TempFolder, ...more: string[]) {
  const [a, b] = [join(folder.path, 'a.img'), join(folder.path, 'b.img')]
  writeFileSync(a, noise(64 * MIB, 1))
  writeFileSync(b, '')
  truncateSync(b, 32 * MIB)
  const socket = join(folder.path, 'socket')
  const server = await Server.start([
    '--export', `a=${a}`, '--export', `b=${b}:8192`, '--unix', socket, '--port', '0', '--threads', '2', '--memory', '24MiB',
    ...more,
  ]) // prettier-ignore
  const port = Number(/port (\d+)/.exec(server.log.find(({ event }) => event === 'ready')!.message)![1])
  return {
    server,
    a,
    b,
    tcp: (name: string) => `nbd://127.0.0.1:${port}/${name}`,
    unix: (name: string) => unixUri(socket, name),
  }
}

test('nbdinfo sees both exports and their features', async () => {
  if (!canRun('nbdinfo', programs('nbdinfo'))) return
  using folder = tempFolder()
  const { server, unix, tcp } = await serve(folder)
  await using _ = server
  const list = JSON.parse(await succeed('nbdinfo', '--json', '--list', unix(''))) as {
    exports: Record<string, unknown>[]
  }
  assert.equal(list.exports.map((each) => each['export-name']), ['a', 'b']) // prettier-ignore
  for (const can of ['cache', 'df', 'fast_zero', 'flush', 'fua', 'multi_conn', 'trim', 'zero'])
    assert.is(list.exports[1]![`can_${can}`], true, can)
  assert.is(list.exports[1]!['block_size_preferred'], 8192)
  assert.is(list.exports[0]!['export-size'], 64 * MIB)
  assert.match(await succeed('nbdinfo', '--map', tcp('a')), /^ *0 +67108864 +0 +data/)
  assert.is((await run('nbdinfo', tcp('nobody'))).status, 1)
})

onlyNormal(test, 'nbdcopy over four connections in and four out leaves the file unchanged', async () => {
  if (!canRun('nbdcopy', programs('nbdcopy'))) return
  using folder = tempFolder()
  const { server, a, b, unix, tcp } = await serve(folder)
  await using _ = server
  const source = join(folder.path, 'source')
  const target = join(folder.path, 'target')
  writeFileSync(source, noise(32 * MIB, 5))
  await succeed('nbdcopy', '--connections=4', '--flush', source, unix('b'))
  assert.ok(readFileSync(b).equals(readFileSync(source)), 'after a flush it is in the file')
  await succeed('nbdcopy', '--connections=4', tcp('b'), target)
  assert.ok(readFileSync(target).equals(readFileSync(source)))
  await succeed('nbdcopy', '--connections=4', unix('a'), target)
  assert.ok(readFileSync(target).equals(readFileSync(a)))
})

test('qemu-img convert and compare work, and qemu-io at odd offsets, with FUA, zeroes and discard', async () => {
  if (!canRun('qemu-img and qemu-io', programs('qemu-img', 'qemu-io'))) return
  using folder = tempFolder()
  const { server, a, b, unix, tcp } = await serve(folder)
  await using _ = server
  const image = join(folder.path, 'image.qcow2')
  await succeed('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', tcp('a'), image)
  await succeed('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', image, unix('a'))
  // Holes of the source must be written as zeros: the target has other bytes there.
  const holes = join(folder.path, 'holes')
  writeFileSync(holes, noise(MIB, 9))
  truncateSync(holes, 32 * MIB)
  await succeed('nbdcopy', holes, unix('b'))
  await succeed('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', holes, unix('b'))
  await succeed('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', holes, tcp('b'))
  const commands = [
    'write -P 1 0 64k', 'write -P 2 511 1025', 'write -f -P 3 100000 3', 'read -P 2 511 1025', 'write -z 8193 20000',
    'read -P 0 8193 20000', 'read -P 3 100000 3', 'discard 1M 1M', 'aio_write -P 4 2M 1M', 'aio_flush', 'flush',
    'read -P 4 2M 1M', 'read -P 1 0 511',
  ] // prettier-ignore
  const output = await succeed(
    'qemu-io',
    '-f',
    'raw',
    ...commands.flatMap((command) => ['-c', command]),
    unix('b'),
  )
  assert.not(/failed|error/i.test(output), output)
  assert.equal((await server.stop()).code, 0)
  const bytes = readFileSync(b)
  assert.ok(bytes.subarray(511, 1536).every((byte) => byte === 2))
  assert.ok(bytes.subarray(8193, 28_193).every((byte) => byte === 0))
  assert.ok(bytes.subarray(2 * MIB, 3 * MIB).every((byte) => byte === 4))
  assert.ok(readFileSync(a).equals(noise(64 * MIB, 1)), 'no client wrote there')
  assert.not(server.log.some(({ event }) => event === 'failed'))
})

onlyNormal(
  test,
  'fio verifies random writes on two exports over TCP and a Unix socket, and the files agree',
  async () => {
    if (!canRun("fio's nbd engine", { ...programs('fio', 'nbdcopy'), "fio's nbd": fioHasNbd() })) return
    using folder = tempFolder()
    const { server, a, b, tcp, unix } = await serve(folder)
    await using _ = server
    const seconds = 5
    const [first, second] = await Promise.all([
      fioVerify(tcp('a'), { seconds, bytes: 64 * MIB, connections: 4, folder: folder.path, name: 'tcp' }),
      fioVerify(unix('b'), { seconds, bytes: 32 * MIB, connections: 4, folder: folder.path, name: 'unix' }),
    ])
    assert.is(first.errors + second.errors, 0, first.output + second.output)
    assert.ok(first.verified > 100 && second.verified > 100)
    console.log(`# fio wrote and verified ${first.verified + second.verified} blocks`)
    const views = [join(folder.path, 'view-a'), join(folder.path, 'view-b')]
    await succeed('nbdcopy', unix('a'), views[0]!)
    await succeed('nbdcopy', tcp('b'), views[1]!)
    assert.equal((await server.stop()).code, 0)
    assert.ok(readFileSync(a).equals(readFileSync(views[0]!)), 'the file is what clients saw')
    assert.ok(readFileSync(b).equals(readFileSync(views[1]!)))
  },
)

onlyNormal(test, 'the same fio command fails on a device that keeps nothing', async () => {
  if (!canRun("nbdkit's null plugin", { ...programs('fio', 'nbdkit'), "fio's nbd": fioHasNbd() })) return
  using folder = tempFolder()
  const socket = join(folder.path, 'null')
  const nbdkit = spawn('nbdkit', ['--exit-with-parent', '-f', '-U', socket, 'null', '64M'], {
    stdio: 'ignore',
  })
  try {
    for (
      const endMs = performance.now() + 30_000;
      statSync(socket, { throwIfNoEntry: false }) === undefined;
    ) {
      assert.ok(performance.now() < endMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const run = await fioVerify(unixUri(socket, ''), { seconds: 2, bytes: 64 * MIB, connections: 4, folder: folder.path, name: 'null' }) // prettier-ignore
    assert.ok(run.errors > 0)
  } finally {
    nbdkit.kill()
  }
})

function fioHasNbd(): boolean {
  const { status, stdout } = spawnSync('fio', ['--enghelp'], { encoding: 'utf8' })
  return status === 0 && stdout.split(/\s+/).includes('nbd')
}

test.run()
