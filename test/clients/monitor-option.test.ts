// @deadline 300
// `--monitor` of the commands that open a cache: what it accepts, and that the page is served while they run.

import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { MonitorSample } from 'dcache/monitor'
import { monitorText, parseMonitor } from '#dist/cli/monitor-option.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ask, askJson } from '../support/monitor.js'
import { until } from '../support/open.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

const COMMAND = join(projectRoot, 'dist/cli/main.js')
const test = suite('--monitor')

/** A command that runs; `output` is what it has printed so far. */
function start(...args: string[]) {
  // A process group of its own: `bench` is a process below the one that is started.
  const child = spawn(process.execPath, [COMMAND, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const run = {
    output: '',
    code: undefined as number | null | undefined,
    stop: () => child.kill('SIGINT'),
    [Symbol.dispose]() {
      try {
        process.kill(-child.pid!, 'SIGKILL')
      } catch {
        // It has ended.
      }
    },
  }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (run.output += data.toString()))
  child.once('close', (code) => (run.code = code))
  return run
}

const urlIn = async (run: { readonly output: string }): Promise<string> => {
  const found = () => /http:\/\/127\.0\.0\.1:\d+\//.exec(run.output)?.[0]
  await until('the address', () => found() !== undefined)
  return found()!
}

test('takes a port, a host with a port, or a path', () => {
  assert.equal(parseMonitor('9000'), { port: 9000 })
  assert.equal(parseMonitor('0'), { port: 0 })
  assert.equal(parseMonitor('localhost:9000'), { port: 9000, host: 'localhost' })
  assert.equal(parseMonitor('10.0.0.1:1'), { port: 1, host: '10.0.0.1' })
  assert.equal(parseMonitor('[::1]:9000'), { port: 9000, host: '::1' })
  for (const path of ['monitor.sock', './9000', '/run/a b:9000', 'x:y', ':9000', '9000x'])
    assert.equal(parseMonitor(path), { socket: path })
  for (const wrong of ['', '65536', 'localhost:99999']) assert.throws(() => parseMonitor(wrong))
  assert.is(monitorText('http://127.0.0.1:1/'), 'Monitor: http://127.0.0.1:1/')
  assert.match(monitorText('http+unix://%2Frun%2Fa%20b/'), 'socket /run/a b ')
})

test('of load serves while it runs, and ends with it', async () => {
  using run = start('load', '--threads', '2', '--seconds', '600', '--monitor', '0')
  const url = await urlIn(run)
  const { name, stats } = await askJson<MonitorSample>(url, '/stats')
  assert.is(name, 'dcache load')
  assert.is(stats.state, 'open')
  run.stop()
  await until('the end', () => run.code !== undefined)
  assert.is(run.code, 130, run.output)
})

test('of serve is on a socket, and the log says where', async () => {
  using folder = tempFolder()
  const disk = folder.write('disk.img', '\0'.repeat(65_536))
  const socket = join(folder.path, 'monitor.sock')
  const places = ['--export', `disk=${disk}`, '--unix', join(folder.path, 'disk.sock'), '--monitor', socket]
  using run = start('serve', ...places, '--memory', '16MiB')
  const url = `http+unix://${encodeURIComponent(socket)}/`
  await until('the line', () => run.output.includes(url))
  const { name, stats } = await askJson<MonitorSample>(url, '/stats')
  assert.is(name, 'dcache serve')
  assert.equal(Object.keys(stats.partitions), ['disk'])
  run.stop()
  await until('the end', () => run.code !== undefined)
  assert.is(run.code, 0, run.output)
})

test('of bench shows the caches that it measures', async () => {
  using run = start('bench', 'hit', '--no-peers', '--rounds', '10000', '--slice-ms', '1000', '--blocks', '512', '--threads', '1', '--monitor', '0') // prettier-ignore
  const url = await urlIn(run)
  assert.is((await askJson<MonitorSample>(url, '/stats')).name, 'dcache bench')
  assert.is((await ask(url, '/')).status, 200)
})

test('at a port in use is refused before anything runs', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  using folder = tempFolder()
  const disk = folder.write('disk.img', '\0'.repeat(65_536))
  const commands = [
    ['load', '--seconds', '600'],
    ['serve', '--export', `disk=${disk}`, '--unix', join(folder.path, 's'), '--memory', '16MiB'],
  ]
  for (const command of commands) {
    using run = start(...command, '--monitor', String(port))
    await until('the end', () => run.code !== undefined)
    assert.is(run.code, 2, run.output)
    assert.match(run.output, 'EADDRINUSE')
  }
  other.close()
})

test.run()
