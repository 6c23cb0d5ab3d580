// @deadline 300
// The options and the environment of the process do not reach the engine's threads: a cache works however Node was started,
// and preloaded hooks do not run in its threads. Each program runs in a process of its own.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { tempFolder } from '../support/temp.js'
import { sample } from '../support/size.js'

/**
 * A program that uses every thread of the engine: the flush worker, a writer, the reader. `import()` works in both kinds of
 * module.
 */
const PROGRAM = `
  import(${JSON.stringify(import.meta.resolve('dcache'))}).then(async ({ openCache }) => {
    const cache = await openCache({ memory: '1MiB', partitions: { p: { path: 'p', blockSize: 4096, size: '64KiB' } } })
    cache.partition('p').prefetch(8, 2)
    await cache.partition('p').write(Buffer.from('hello'), 0)
    await cache.flush()
    while (cache.stats().prefetch.loaded < 2) await new Promise((resolve) => setTimeout(resolve, 1))
    await cache.close()
    console.log('works')
  })`

/** A hook that notes its thread, takes a port that only one thread can have, and keeps the event loop busy for ever. */
const HOOK_BODY = `
  require('node:fs').appendFileSync('hooked', isMainThread ? 'main ' : 'worker ')
  require('node:net').createServer().on('error', (error) => { throw error }).listen('\\0dcache-test-' + process.pid).unref()
  if (!isMainThread) setInterval(() => {}, 1000)`
const HOOK_MODULE = `
  import { createRequire } from 'node:module'
  import { isMainThread } from 'node:worker_threads'
  const require = createRequire(import.meta.url)${HOOK_BODY}`
const HOOK_SCRIPT = `const { isMainThread } = require('node:worker_threads')${HOOK_BODY}`
const LOADER = `
  import { appendFileSync } from 'node:fs'
  export async function resolve(specifier, context, next) {
    if (specifier.includes('flush-worker') || specifier.includes('writer-worker')) appendFileSync('hooked', 'loader ')
    return next(specifier, context)
  }`

interface Way {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The program is read from stdin instead of the file program.mjs or the arguments. */
  readonly stdin?: string
}

const ways: Readonly<Record<string, Way>> = {
  'a module in a file': { args: ['program.mjs'] },
  '--input-type=module -e': { args: ['--input-type=module', '-e', PROGRAM] },
  '--input-type=commonjs -e': { args: ['--input-type=commonjs', '-e', PROGRAM] },
  '-e': { args: ['-e', PROGRAM] },
  '-p': { args: ['-p', `${PROGRAM}; 'printed'`] },
  'a module on stdin': { args: ['--input-type=module'], stdin: PROGRAM },
  'a script on stdin': { args: ['-'], stdin: PROGRAM },
  '--import': { args: ['--import', './hook.mjs', 'program.mjs'] },
  '--require': { args: ['--require', './hook.cjs', 'program.mjs'] },
  '--loader': { args: ['--no-warnings', '--loader', './loader.mjs', 'program.mjs'] },
  NODE_OPTIONS: { args: ['program.mjs'], env: { NODE_OPTIONS: '--require ./hook.cjs' } },
  'NODE_OPTIONS and --input-type': {
    args: ['--input-type=module', '-e', PROGRAM],
    env: { NODE_OPTIONS: '--import ./hook.mjs' },
  },
  '--test': { args: ['--test', '--test-reporter=tap', 'program.test.mjs'] },
  coverage: { args: ['program.mjs'], env: { NODE_V8_COVERAGE: 'coverage' } },
  '--cpu-prof': { args: ['--cpu-prof', '--cpu-prof-dir=profiles', 'program.mjs'] },
  '--conditions': { args: ['--conditions=development', 'program.mjs'] },
  'a worker with options of its own': { args: ['worker.mjs'] },
}

const starting = suite('ways to start a process')

for (const [name, way] of sample(Object.entries(ways), 5)) {
  starting(`a cache works under ${name}`, async () => {
    using folder = tempFolder()
    writeFileSync(join(folder.path, 'program.mjs'), PROGRAM)
    writeFileSync(join(folder.path, 'program.test.mjs'), `await${PROGRAM}`)
    writeFileSync(join(folder.path, 'hook.mjs'), HOOK_MODULE)
    writeFileSync(join(folder.path, 'hook.cjs'), HOOK_SCRIPT)
    writeFileSync(join(folder.path, 'loader.mjs'), LOADER)
    writeFileSync(
      join(folder.path, 'worker.mjs'),
      `import { Worker } from 'node:worker_threads'
       new Worker(${JSON.stringify(PROGRAM)}, { eval: true, execArgv: ['--input-type=commonjs'] })`,
    )
    writeFileSync(join(folder.path, 'hooked'), '')
    const { out, code } = await runNode(folder.path, way)
    assert.match(out, /works/)
    assert.is(code, 0, out)
    assert.is(readFileSync(join(folder.path, 'p'), 'latin1').slice(0, 5), 'hello')
    assert.not.match(readFileSync(join(folder.path, 'hooked'), 'latin1'), /worker|loader/)
  })
}

/** The output of a process and its exit code. A process that hangs is killed, and has none. */
async function runNode(cwd: string, way: Way): Promise<{ out: string; code: number | null }> {
  const child = spawn(process.execPath, way.args, {
    cwd,
    env: { ...process.env, ...way.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (out += data.toString()))
  child.stdin.end(way.stdin ?? '')
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { out, code }
}

starting.run()
