// @deadline 240
// A file system on the device: it is made, filled with a tree of real files, unmounted, mounted again after a restart of the
// server, compared, and checked by its own checker. Also the reverse: an export of another server as a partition.

import { spawn } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs } from '../support/left-out.js'
import { projectRoot } from '../support/project.js'
import { isSmall, onlyNormal, sized } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { unixUri } from './fio.js'
import { FuseFile, fuseNeeds, LoopMount, loopNeeds } from './mounts.js'
import { Server } from './server.js'
import { WireClient } from './wire-client.js'

const MIB = 2 ** 20
/** Parts of node_modules: many small files, some large ones, links. */
const TREES = isSmall
  ? ['commander', 'piscina', '.bin']
  : [
      'typescript/lib',
      'commander',
      'fast-check',
      '.bin',
      'esbuild/bin',
      'piscina',
      '@typescript-eslint',
      'eslint',
    ]

async function command(name: string, ...args: string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

/** Every file and link below a folder, with its contents. */
function contents(folder: string): Map<string, Buffer | string> {
  const found = new Map<string, Buffer | string>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(folder.length)
    if (entry.isFile()) found.set(name, readFileSync(path))
    else if (entry.isSymbolicLink()) found.set(name, readlinkSync(path))
  }
  return found
}

function assertSame(found: Map<string, Buffer | string>, wanted: Map<string, Buffer | string>): void {
  assert.equal([...found.keys()].sort(), [...wanted.keys()].sort())
  for (const [name, bytes] of wanted) {
    const other = found.get(name)!
    assert.ok(typeof bytes === 'string' ? other === bytes : bytes.equals(other as Buffer), name)
  }
}

test('a tree of files on ext4 is identical after a restart of the server, and the checker finds nothing', async () => {
  if (!canRun('a file system on the device', { ...fuseNeeds(), ...loopNeeds() })) return
  using folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, '')
  truncateSync(disk, 192 * MIB)
  const socket = join(folder.path, 'socket')
  const args = ['--export', `disk=${disk}`, '--unix', socket, '--memory', '16MiB']
  const source = join(projectRoot, 'node_modules')
  const wanted = new Map<string, Buffer | string>()
  const mounted = async (body: (file: string) => Promise<void>) => {
    await using server = await Server.start(args)
    {
      await using file = await FuseFile.mount(join(folder.path, 'device'), unixUri(socket, 'disk'))
      await body(file.path)
    }
    assert.equal((await server.stop()).code, 0)
    assert.not(server.log.some(({ event }) => event === 'failed'))
  }
  await mounted(async (file) => {
    const { status, output } = await command('mkfs.ext4', '-q', '-F', file)
    assert.is(status, 0, output)
    using mount = new LoopMount(file, join(folder.path, 'mounted'))
    // In a separate process, because this one reads the server's log in the meantime.
    for (const tree of TREES.filter((name) => existsSync(join(source, name)))) {
      const copy = await command(process.execPath, '-e', COPY, join(source, tree), join(mount.folder, tree))
      assert.is(copy.status, 0, copy.output)
      for (const [name, bytes] of contents(join(source, tree))) wanted.set(`/${tree}${name}`, bytes)
    }
    mount.unmount()
  })
  await mounted(async (file) => {
    const check = await command('e2fsck', '-f', '-n', file)
    assert.is(check.status, 0, check.output)
    using mount = new LoopMount(file, join(folder.path, 'mounted'))
    const found = contents(mount.folder)
    assertSame(found, wanted)
    mount.unmount()
  })
  // Without the server, from the file.
  const check = await command('e2fsck', '-f', '-n', disk)
  assert.is(check.status, 0, check.output)
  const bytes = [...wanted.values()].reduce((sum, each) => sum + each.length, 0)
  assert.ok(wanted.size > sized(40, 300))
  console.log(`# ${wanted.size} files and links, ${(bytes / MIB).toFixed(0)} MiB`)
})

const COPY = `require('fs').cpSync(process.argv[1], process.argv[2], { recursive: true, verbatimSymlinks: true })`

onlyNormal(
  test,
  'a partition may be a network block device, whose failures reach the requesting client',
  async () => {
    if (!canRun('a partition on a network block device', { ...fuseNeeds(), ...programs('nbdkit') })) return
    using folder = tempFolder()
    const fault = join(folder.path, 'fault')
    const far = join(folder.path, 'far.img')
    writeFileSync(far, Buffer.alloc(8 * MIB))
    const near = join(folder.path, 'near.img')
    writeFileSync(near, Buffer.alloc(8 * MIB))
    await using device = await FuseFile.mount(
    join(folder.path, 'device'),
    '--command', 'nbdkit', '-s', '--exit-with-parent', '--filter=error', 'file', far,
    `error-file=${fault}`, 'error=ENOSPC', 'error-pwrite-rate=100%',
  ) // prettier-ignore
    const path = join(folder.path, 'socket')
    await using server = await Server.start([
    '--export', `far=${device.path}`, '--export', `near=${near}`, '--unix', path, '--memory', '8MiB', '--threads', '1',
  ]) // prettier-ignore
    using client = await WireClient.open({ path }, 'far')
    using neighbour = await WireClient.open({ path }, 'near')
    await client.write(4096, Buffer.from('over the network'))
    await client.flush()
    assert.is(readFileSync(far).toString('latin1', 4096, 4112), 'over the network')

    writeFileSync(fault, '')
    await client.write(8192, Buffer.from('later'))
    const failed = await client.request(3, 0, 0)
    assert.ok([5, 28].includes(failed.error), `error ${failed.error}`)
    await server.said('fenced')
    await server.said('failed')
    assert.is((await client.read(8192, 5)).toString(), 'later', 'it is still there')
    // A full disk does not affect the other one.
    await neighbour.write(0, Buffer.from('fine'))
    await neighbour.flush()
    assert.is(readFileSync(near).toString('latin1', 0, 4), 'fine')

    rmSync(fault)
    await server.said('restored')
    await client.flush()
    assert.is(readFileSync(far).toString('latin1', 8192, 8197), 'later')
    assert.equal((await server.stop()).code, 0)
  },
)

test.run()
