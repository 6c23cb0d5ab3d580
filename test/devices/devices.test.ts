// @deadline 120
// Real devices that fail: a file system that fills up (a small tmpfs, in namespaces of its own), and a disk whose writes
// fail (an nbdkit export with its error and delay filters, mounted as a file by nbdfuse). If the machine lacks what a test
// needs, the test is left out with a line that the runner shows.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs, works } from '../support/left-out.js'
import { tempFolder } from '../support/temp.js'

const body = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Runs a program that mounts a small tmpfs, in namespaces of its own. */
function runOnSmallDisk(what: string, program: string): void {
  const isMountable = works('unshare', '-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')
  if (!canRun(what, { 'the right to mount a tmpfs': isMountable })) return
  using folder = tempFolder()
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-rm', process.execPath, body(program), folder.path],
    { encoding: 'utf8', timeout: 60_000 },
  )
  assert.is(status, 0, stderr)
  assert.is(stdout, 'ok\n')
}

test('on a full file system flush rejects with ENOSPC, nothing is lost, and retry makes all durable', () => {
  runOnSmallDisk('a full file system', './full-disk.js')
})

test('on a full file system a partition grows, is fenced when its blocks are written, and heals', () => {
  runOnSmallDisk('growth on a full file system', './full-disk-growth.js')
})

test('a journal on a full or read-only file system is refused, and a recovery that fails can be repeated', () => {
  runOnSmallDisk('a journal on a full file system', './journal-disk.js')
})

test('when writes fail flush rejects with EIO, cached blocks stay readable, and retry makes all durable', async () => {
  const needs = { ...programs('nbdkit', 'nbdfuse'), '/dev/fuse': existsSync('/dev/fuse') }
  if (!canRun('a failing disk', needs)) return
  using folder = tempFolder()
  const fault = join(folder.path, 'fault')
  const disk = join(folder.path, 'disk')
  folder.write('disk', '')
  const filters = ['--exit-with-parent', '--filter=error', '--filter=delay', 'memory', '8M']
  const faults = [`error-file=${fault}`, 'error=EIO', 'error-rate=100%', 'delay-write=1ms']
  const fuse = spawn('nbdfuse', [disk, '--command', 'nbdkit', '-s', ...filters, ...faults], {
    stdio: 'inherit',
  })
  try {
    const endMs = performance.now() + 30_000
    while (statSync(disk).size === 0 && performance.now() < endMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    const { status, stdout, stderr } = spawnSync(process.execPath, [body('./failing-disk.js'), disk, fault], {
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.is(status, 0, stderr)
    assert.is(stdout, 'ok\n')
  } finally {
    execFileSync('fusermount3', ['-u', disk])
    fuse.kill()
  }
})

test.run()
