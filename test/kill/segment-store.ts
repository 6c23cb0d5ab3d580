// Runs the crash test of examples/segment-store: a program whose threads append to segments that come, grow and go is killed at
// random moments. The example compares the store with what the program had acknowledged through a pipe.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'

/** Kills the program this many times, and prints what the crash test has found. */
export function killTheStore(kills: number): void {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(projectRoot, 'examples/segment-store/crash-test.mjs'), String(kills)],
    { encoding: 'utf8' },
  )
  assert.is(status, 0, stderr)
  assert.match(stdout, new RegExp(`^${kills} kills: `))
  console.log(`# ${stdout.trimEnd()}`)
}
