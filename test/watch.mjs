// Builds and runs tests again after each change: npm run test:watch -- unit/slot
//
// The arguments are those of test/run.mjs. A change below src/, test/ or bench/ ends a run that is under way, and the next one
// begins with a build. Ctrl-C ends it.

import { spawn } from 'node:child_process'
import { existsSync, watch } from 'node:fs'

const FOLDERS = ['src', 'test', 'bench']
/** An editor saves a file in several steps. */
const SETTLE_MS = 100

const args = process.argv.slice(2)
if (args.length === 0) {
  console.error('usage: npm run test:watch -- PART_OF_A_PATH ...')
  process.exit(2)
}

/** The process that builds or tests. */
let child
let timer
/** Counts the runs: one that is not the newest does not continue. */
let newest = 0

/** Runs a script of the project to its end; true when it succeeded. */
function run(...command) {
  return new Promise((resolve) => {
    child = spawn(process.execPath, command, { stdio: 'inherit' })
    child.once('close', (code) => resolve(code === 0))
  })
}

async function runAll() {
  const mine = ++newest
  const before = child
  if (before !== undefined && before.exitCode === null && before.signalCode === null) {
    // test/run.mjs ends the processes of its tests first.
    const closed = new Promise((resolve) => before.once('close', resolve))
    before.kill('SIGTERM')
    await closed
  }
  if (mine !== newest) return
  const isBuilt = await run('build.mjs')
  if (mine !== newest) return
  if (isBuilt) await run('test/run.mjs', ...args)
  if (mine === newest) console.log('waiting for a change')
}

for (const folder of FOLDERS.filter((name) => existsSync(name)))
  watch(folder, { recursive: true }, () => {
    clearTimeout(timer)
    timer = setTimeout(runAll, SETTLE_MS)
  })

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    child?.kill('SIGTERM')
    process.exit(0)
  })

await runAll()
