// The test runner: node test/run.mjs [options] [part of a path ...]
//
//   --small       the small size of the suites that have two (support/size.ts)
//   --middle      a middle size of them: about a sixth of the normal one
//   --sized       only files that have sizes
//   --long        run the long suites (*.long.test.js) in place of the normal ones
//   --dir DIR     where the compiled tests are (build/test)
//   --source DIR  where their sources are (test), or DIR of --dir when that is given
//   --jobs N      how many files run at a time (1: many of them start threads of their own)
//
// DCACHE_DEBUG is 1 unless it is set: the engine asserts its locking contracts.
//
// Every file runs in a process group of its own. When it is not done by its deadline (180 s, or
// what a line `// @deadline SECONDS` in its source says) the whole group is killed and the file
// counts as failed. So does a file that ran no test, whatever its exit code. A failing file's
// output is shown whole, of a passing one only the lines that begin with '# '.
//
// The last line is always 'N passed, N failed'. It counts tests, and one failure at least for
// every file that failed.

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'

const defaultDeadline = 180
/** How long the output of a finished file may stay open, held by a process that left its group. */
const drainMilliseconds = 2000

/** The process groups that are running. */
const running = new Set()

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function stopOn(signal, exitCode) {
  process.once(signal, () => {
    for (const pid of running) killGroup(pid)
    process.exit(exitCode)
  })
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      small: { type: 'boolean', default: false },
      middle: { type: 'boolean', default: false },
      sized: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      dir: { type: 'string' },
      source: { type: 'string' },
      jobs: { type: 'string', default: '1' },
    },
  })
  const jobs = Number(values.jobs)
  if (!Number.isInteger(jobs) || jobs < 1)
    throw new Error(`--jobs takes a whole number from 1, not ${values.jobs}`)
  return {
    size: values.small ? 'small' : values.middle ? 'middle' : 'normal',
    sized: values.sized,
    long: values.long,
    jobs,
    directory: resolve(values.dir ?? 'build/test'),
    sources: resolve(values.source ?? values.dir ?? 'test'),
    filters: positionals,
  }
}

/** The names of the test files to run, relative to the directory, in order. */
function findFiles({ directory, long, sized, filters }) {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true })
    .filter((name) => name.endsWith('.test.js') && name.endsWith('.long.test.js') === long)
    .filter((name) => filters.length === 0 || filters.some((part) => name.includes(part)))
    .filter((name) => !sized || hasSizes(join(directory, name)))
    .sort()
}

/** Whether a file has a small size: it imports the module of the sizes. */
const hasSizes = (path) => readFileSync(path, 'utf8').includes('support/size.js')

/** The seconds that a file may take: its source says, since a compiled file has no comments. */
function deadlineOf(name, { directory, sources }) {
  const source = join(sources, name.replace(/\.js$/, '.ts'))
  const text = readFileSync(existsSync(source) ? source : join(directory, name), 'utf8')
  const override = /^\/\/ @deadline (\d+(?:\.\d+)?)\s*$/m.exec(text)
  return override ? Number(override[1]) : defaultDeadline
}

/** The number after a label in the summary that uvu prints last; undefined without a summary. */
function summaryCount(output, label) {
  const all = [...output.matchAll(new RegExp(`^ *${label}: +(\\d+) *$`, 'gm'))]
  const last = all.at(-1)
  return last && Number(last[1])
}

/** Runs one file to its end, or to its deadline. */
function execute(path, deadline, size) {
  return new Promise((done) => {
    const chunks = []
    let late = false
    const child = spawn(process.execPath, [path], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { DCACHE_DEBUG: '1', ...process.env, DCACHE_TEST: '1', DCACHE_TEST_SIZE: size },
    })
    running.add(child.pid)
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk))
    const timer = setTimeout(() => {
      late = true
      killGroup(child.pid)
    }, deadline * 1000)
    let drain
    child.once('exit', () => {
      clearTimeout(timer)
      // What the file started and left behind would hold its output open.
      killGroup(child.pid)
      running.delete(child.pid)
      drain = setTimeout(() => {
        child.stdout.destroy()
        child.stderr.destroy()
      }, drainMilliseconds)
    })
    child.once('close', (exitCode, signal) => {
      clearTimeout(drain)
      const output = stripVTControlCharacters(Buffer.concat(chunks).toString('utf8'))
      done({ output, exitCode, signal, late })
    })
  })
}

/** Why a file failed as a whole, if it did. */
function reasonOf({ exitCode, signal, late }, total, deadline) {
  if (late) return `killed: not done after ${deadline} s`
  if (signal) return `ended by ${signal}`
  if (exitCode === 13) return 'exit code 13: nothing was left that could finish it'
  if (exitCode !== 0) return `exit code ${exitCode}`
  if (total === undefined) return 'no summary: it never ran its tests'
  if (total === 0) return 'it ran no test'
  return undefined
}

/** Runs one file, reports on it, and counts. */
async function runFile(name, options) {
  const deadline = deadlineOf(name, options)
  const start = performance.now()
  const run = await execute(join(options.directory, name), deadline, options.size)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)

  const total = summaryCount(run.output, 'Total')
  const passed = summaryCount(run.output, 'Passed') ?? 0
  const skipped = summaryCount(run.output, 'Skipped') ?? 0
  const reason = reasonOf(run, total, deadline)
  const failed = Math.max((total ?? 0) - passed, reason ? 1 : 0)

  const mark = failed > 0 ? 'FAIL' : 'ok  '
  const counts = `${passed}/${total ?? 0}${skipped > 0 ? ` (${skipped} skipped)` : ''}`
  console.log(`${mark} ${name}  ${counts}  ${seconds} s${reason ? `  ${reason}` : ''}`)
  const lines = run.output.trimEnd().split('\n')
  // Indented, so that no line of a test can be taken for one of the runner's own.
  for (const line of lines) if (failed > 0 || line.startsWith('# ')) console.log(`     ${line}`)
  return { passed, failed }
}

async function main() {
  stopOn('SIGINT', 130)
  stopOn('SIGTERM', 143)
  const options = readOptions()
  const files = findFiles(options)
  if (files.length === 0) console.log(`No test file matches below ${options.directory}.`)

  const sum = { passed: 0, failed: 0 }
  const queue = files.values()
  const work = async () => {
    // All workers draw from the one iterator.
    for (const name of queue) {
      const { passed, failed } = await runFile(name, options)
      sum.passed += passed
      sum.failed += failed
    }
  }
  await Promise.all(Array.from({ length: options.jobs }, work))

  console.log(`${sum.passed} passed, ${sum.failed} failed`)
  process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0
}

await main()
