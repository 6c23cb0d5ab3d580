// Runs a program of the examples: several threads that fill a store for some seconds, with a check of all afterwards, and its
// crash test, which kills the program at random moments and verifies after each time.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

function run(example: string, file: string, ...args: string[]): string {
  const path = join(projectRoot, 'examples', example, file)
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  assert.is(status, 0, stderr)
  return stdout
}

/** Four threads, for this many seconds. Prints what the check has found. */
export function fillAndVerify(example: string, seconds: number): void {
  using folder = tempFolder()
  const store = join(folder.path, 'store')
  const said = run(example, 'main.mjs', 'fill', store, '4', String(seconds))
  const acknowledged = folder.write('acknowledged', said)
  const found = run(example, 'main.mjs', 'verify', store, acknowledged)
  const lines = said.split('\n').length - 1
  assert.ok(lines >= 4)
  console.log(`\n# ${example}: 4 threads, ${seconds} s: ${lines} flushes; ${found.trimEnd()}`)
}

/** Prints what the crash test has found. */
export function killTheProgram(example: string, kills: number): void {
  const said = run(example, 'crash-test.mjs', String(kills))
  assert.match(said, new RegExp(`^${kills} kills: `))
  console.log(`\n# ${example}: ${said.trimEnd()}`)
}
