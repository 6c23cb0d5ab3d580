// The test runner, run on small test files that fail in every way that it must notice.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder, type TempFolder } from '../support/temp.js'
import { onlyNormal } from '../support/size.js'

const runner = join(projectRoot, 'test/run.mjs')
const uvu = `import { test } from ${JSON.stringify(import.meta.resolve('uvu'))}\n`
const passing = `${uvu} test('a', () => {}); test.run()`

/** A folder of test files, by names without the ending. */
function fixtures(files: Record<string, string>): TempFolder {
  const folder = tempFolder()
  folder.write('package.json', '{ "type": "module" }')
  for (const [name, text] of Object.entries(files)) folder.write(`${name}.test.js`, text)
  return folder
}

function runOn(files: Record<string, string>, ...options: string[]) {
  using folder = fixtures(files)
  const { status, stdout } = spawnSync(process.execPath, [runner, '--dir', folder.path, ...options], {
    encoding: 'utf8',
  })
  return { status, stdout, last: stdout.trimEnd().split('\n').at(-1) ?? '' }
}

/** Whether a process exists and is no zombie. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`
  if (existsSync('/proc/self/stat')) return existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z ')
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 200, `waited in vain: ${what}`)
    await sleep(50)
  }
}

/** The code of a test file that writes the id of a process it started and then never ends. */
function hanging(pidFile: string): string {
  const name = JSON.stringify(pidFile)
  return `
    import { spawn } from 'node:child_process'
    import { renameSync, writeFileSync } from 'node:fs'
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    writeFileSync(${name} + '.new', String(child.pid))
    renameSync(${name} + '.new', ${name})
    setInterval(() => {}, 1000)
  `
}

test('passing files are counted, and only their notes are shown', () => {
  const note = `${uvu} console.log('chatter'); console.log('# a note'); test('b', () => {}); test('c', () => {}); test.run()`
  const { status, stdout, last } = runOn({ one: passing, 'sub/two': note })
  assert.is(status, 0)
  assert.match(stdout, /^ok {3}one\.test\.js {2}1\/1 {2}[\d.]+ s$/m)
  assert.match(stdout, /^ok {3}sub\/two\.test\.js {2}2\/2 /m)
  assert.match(stdout, '# a note')
  assert.not.match(stdout, 'chatter')
  assert.is(last, '3 passed, 0 failed')
})

test('a failing test is counted, and its output is shown', () => {
  const text = `${uvu} test('good', () => {}); test('bad', () => { throw new Error('told you') }); test.run()`
  const { status, stdout, last } = runOn({ mixed: text })
  assert.is(status, 1)
  assert.match(stdout, 'told you')
  assert.is(last, '1 passed, 1 failed')
})

test('a file that hangs is killed with all it started', async () => {
  using folder = tempFolder()
  const pidFile = join(folder.path, 'pid')
  const { status, stdout, last } = runOn({ hang: `// @deadline 1.5\n${hanging(pidFile)}`, good: passing })
  assert.is(status, 1)
  assert.match(stdout, 'killed: not done after 1.5 s')
  assert.is(last, '1 passed, 1 failed')
  const pid = Number(readFileSync(pidFile, 'utf8'))
  await until(() => !isAlive(pid), 'the end of the process that the file started')
})

test('a file that runs nothing has failed', () => {
  const { status, stdout, last } = runOn({
    empty: '',
    forgot: `${uvu} test('never run', () => {})`,
    none: `${uvu} test.run()`,
    waiting: `${uvu} test('a', () => new Promise(() => {})); test.run()`,
    good: passing,
  })
  assert.is(status, 1)
  assert.match(stdout, /^FAIL empty\.test\.js .*no summary/m)
  assert.is(last, '1 passed, 4 failed')
})

onlyNormal(test, 'a file that passes its tests and then ends with an error has failed', () => {
  const { status, stdout, last } = runOn({
    code: `${passing}; process.on('exit', () => { process.exitCode = 3 })`,
    stuck: `${uvu} await new Promise(() => {}); test('a', () => {}); test.run()`,
    signal: `process.kill(process.pid, 'SIGKILL')`,
  })
  assert.is(status, 1)
  assert.match(stdout, /code\.test\.js .*exit code 3$/m)
  assert.match(stdout, /stuck\.test\.js .*exit code 13:/m)
  assert.match(stdout, /signal\.test\.js .*ended by SIGKILL$/m)
  assert.is(last, '1 passed, 3 failed')
})

onlyNormal(test, 'a process that a finished file leaves running does not delay the rest', () => {
  const started = performance.now()
  const text = `
    import { spawn } from 'node:child_process'
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' }).unref()
    ${passing}
  `
  assert.is(runOn({ leaves: text }).last, '1 passed, 0 failed')
  assert.ok(performance.now() - started < 30_000)
})

test('long suites run only on request, and parts of names select files', () => {
  const files = { quick: passing, other: passing, 'slow.long': passing }
  assert.is(runOn(files).last, '2 passed, 0 failed')
  assert.match(runOn(files, 'qui').stdout, /^ok {3}quick[^]*\n1 passed, 0 failed\n$/)
  assert.match(runOn(files, '--long').stdout, /^ok {3}slow\.long[^]*\n1 passed, 0 failed\n$/)
  assert.is(runOn(files, '--jobs', '2').last, '2 passed, 0 failed')
})

const sizesOf = (...options: string[]): string => {
  const text = `import '../support/size.js'
    ${uvu} test(process.env.DCACHE_TEST_SIZE, () => {}); console.log('# ' + process.env.DCACHE_TEST_SIZE); test.run()`
  using folder = tempFolder()
  folder.write('package.json', '{ "type": "module" }')
  folder.write('support/size.js', '')
  folder.write('unit/two-sizes.test.js', text)
  folder.write('unit/one-size.test.js', passing)
  return spawnSync(process.execPath, [runner, '--dir', folder.path, ...options], { encoding: 'utf8' }).stdout
}

onlyNormal(test, 'suites have sizes, and those that have can be chosen', () => {
  assert.match(sizesOf(), /# normal\n2 passed, 0 failed\n$/)
  assert.match(sizesOf('--small'), /# small\n2 passed, 0 failed\n$/)
  assert.match(sizesOf('--middle', '--sized'), /# middle\n1 passed, 0 failed\n$/)
  assert.match(sizesOf('--sized'), /# normal\n1 passed, 0 failed\n$/)
})

test('the engine asserts its contracts in all tests, unless it is told not to', () => {
  const text = `${uvu} test('a', () => { console.log('\\n# debug ' + process.env.DCACHE_DEBUG) }); test.run()`
  assert.match(runOn({ debug: text }).stdout, /# debug 1$/m)
})

test('a run without tests has failed', () => {
  const { status, last } = runOn({ one: passing }, 'no such name')
  assert.is(status, 1)
  assert.is(last, '0 passed, 0 failed')
})

test('test files run with DCACHE_TEST set', () => {
  const text = `${uvu} test('a', () => { if (process.env.DCACHE_TEST !== '1') throw new Error() }); test.run()`
  assert.is(runOn({ env: text }).status, 0)
})

test('an interrupt kills the running files', async () => {
  using folder = tempFolder()
  const pidFile = join(folder.path, 'pid')
  using files = fixtures({ hang: hanging(pidFile) })
  const child = spawn(process.execPath, [runner, '--dir', files.path], { stdio: 'ignore' })
  const ended = new Promise<number | null>((done) => child.once('exit', done))
  await until(() => existsSync(pidFile), 'the start of the hanging file')
  child.kill('SIGINT')
  assert.is(await ended, 130)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  await until(() => !isAlive(pid), 'the end of the process that the file started')
})

test.run()
