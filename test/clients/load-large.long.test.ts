// @deadline 900
// `dcache load` on a pool of 6 GiB, more than one typed array can address. Every read and every block of the file is
// verified.

import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, statfsSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import type { LoadReport } from '#dist/cli/load-report.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun } from '../support/left-out.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

const GIB = 2 ** 30
const COMMAND = join(projectRoot, 'dist/cli/main.js')

test('a load with 6 GiB of cache on a file of 8 GiB is verified', () => {
  using folder = tempFolder()
  const { bavail, bsize } = statfsSync(folder.path)
  const isHere = canRun('a pool of 6 GiB', {
    '9 GiB of free memory': freemem() > 9 * GIB,
    '12 GiB of free disk': bavail * bsize > 12 * GIB,
  })
  if (!isHere) return
  const path = join(folder.path, 'data')
  const fd = openSync(path, 'w')
  ftruncateSync(fd, 8 * GIB)
  closeSync(fd)
  const args = ['load', '--partition', `${path}:65536`, '--memory', '6GiB', '--pattern', 'uniform']
  const run = spawnSync(
    process.execPath,
    [COMMAND, ...args, '--threads', '4', '--ops', '300000', '--reads', '0.9', '--seconds', '600', '--json'],
    { encoding: 'utf8', maxBuffer: 2 ** 26 },
  )
  assert.is(run.status, 0, run.stderr)
  const report = JSON.parse(run.stdout) as LoadReport
  const { hits, misses, evictions } = report.stats
  console.log(`# ${hits} hits, ${misses} misses, ${evictions} evictions`)
  assert.ok(misses > (6 * GIB) / 65536, 'the whole pool was used')
  assert.ok(evictions > 0)
})

test.run()
