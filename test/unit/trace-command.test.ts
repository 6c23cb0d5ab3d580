// dcache trace: the file that it writes, over TCP and a Unix socket, and what it says when something stands in its way.

import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcp } from 'node:net'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { traceCommand } from '#dist/cli/trace.js'
import { parseAddress } from '#dist/cli/monitor-address.js'
import { getFrom } from '#dist/cli/monitor-get.js'
import { chromeTrace } from '#dist/monitor/index.js'
import { PATIENCE_MS, until, withCache } from '../support/open.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'
import { traceFaults } from '../support/trace-events.js'

interface Ran {
  readonly out: string
  readonly err: string
  readonly code: number
}

/** Runs the command in this process. */
async function run(...args: string[]): Promise<Ran> {
  const { stdout, stderr } = process
  const original = [stdout.write, stderr.write] // eslint-disable-line @typescript-eslint/unbound-method
  const written = ['', '']
  for (const [i, stream] of [stdout, stderr].entries())
    stream.write = (text: string | Uint8Array, done?: unknown) => {
      written[i]! += String(text)
      if (typeof done === 'function') setImmediate(done as () => void)
      return true
    }
  try {
    const command = traceCommand().exitOverride().configureOutput({ writeErr: (text) => (written[1]! += text) }) // prettier-ignore
    await command.parseAsync(args, { from: 'user' })
    return { out: written[0]!, err: written[1]!, code: Number(process.exitCode) }
  } catch (error) {
    if (!('exitCode' in (error as object))) throw error
    return { out: written[0]!, err: written[1]!, code: 2 }
  } finally {
    stdout.write = original[0]!
    stderr.write = original[1]!
    process.exitCode = 0
  }
}

interface Listening extends AsyncDisposable {
  readonly server: Server
  readonly port: number
  readonly paths: string[]
}

/** A server that answers all requests with this. */
async function listening(answer: RequestListener, socket?: string): Promise<Listening> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url!)
    answer(request, response)
  })
  if (socket === undefined) server.listen(0, '127.0.0.1')
  else server.listen(socket)
  await once(server, 'listening')
  return {
    server,
    port: socket === undefined ? (server.address() as AddressInfo).port : 0,
    paths,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const SMALL = {
  traceEvents: [
    { name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: 'x' } },
    { name: 'proc.start', cat: 'proc', ph: 'i', s: 't', ts: 5, pid: 1, tid: 0, args: {} },
  ],
  displayTimeUnit: 'ms',
  otherData: {},
}

const json =
  (value: unknown): RequestListener =>
  (_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }

/** What is in a folder, and no temporary file. */
const filesIn = (folder: string): string[] => readdirSync(folder).sort()

test('writes the trace of a cache into a file, over every kind of address', () =>
  withCache({ traceEntries: 256 }, async ({ cache, data }) => {
    for (let block = 0; block < 10; block++) (await data.acquire(block, 'read')).release()
    using folder = tempFolder()
    const socket = join(folder.path, 'so cket')
    const answer: RequestListener = (request, response) => {
      const url = new URL(request.url!, 'http://x')
      const seconds = url.searchParams.get('seconds')
      json(chromeTrace(cache, seconds === null ? {} : { seconds: Number(seconds) }))(request, response)
    }
    await using tcp = await listening(answer)
    await using unix = await listening(answer, socket)
    const { port } = tcp
    const targets = [
      `http://127.0.0.1:${port}`, `http://127.0.0.1:${port}/trace`, `127.0.0.1:${port}`, String(port),
      socket, `unix:${socket}`, `http+unix://${encodeURIComponent(socket)}`,
    ] // prettier-ignore
    for (const [i, target] of targets.entries()) {
      const file = join(folder.path, `trace ${i}.json`)
      const { out, err, code } = await run(target, '--output', file)
      assert.equal([code, err], [0, ''], target)
      assert.match(out, file)
      assert.match(out, /\d events, .*iB/)
      assert.match(out, 'https://ui.perfetto.dev')
      const trace: unknown = JSON.parse(readFileSync(file, 'utf8'))
      assert.equal(traceFaults(trace), [])
    }
    assert.equal(tcp.paths, Array<string>(4).fill('/trace'))
    assert.equal(unix.paths, Array<string>(3).fill('/trace'))
    assert.equal(filesIn(folder.path).filter((name) => name.startsWith('.')), []) // prettier-ignore
  }))

test('--seconds is passed on, and - is stdout', async () => {
  await using server = await listening(json(SMALL))
  const { out, code } = await run(String(server.port), '--seconds', '2.5', '--output', '-')
  assert.is(code, 0)
  assert.equal(JSON.parse(out), SMALL)
  assert.equal(server.paths, ['/trace?seconds=2.5'])
  for (const wrong of ['0', '-1', 'x', '']) assert.is((await run('1234', '--seconds', wrong)).code, 2)
})

test('a file that exists is kept, unless --force is given; what is no file always', async () => {
  await using server = await listening(json(SMALL))
  using folder = tempFolder()
  const path = folder.write('old', 'old')
  const port = String(server.port)
  const refused = await run(port, '--output', path)
  assert.equal([refused.code, refused.out], [1, ''])
  assert.match(refused.err, /is there already: .*--force/)
  assert.is(readFileSync(path, 'utf8'), 'old')
  assert.is(server.paths.length, 0, 'nothing was fetched')
  assert.is((await run(port, '--output', path, '--force')).code, 0)
  assert.equal(JSON.parse(readFileSync(path, 'utf8')), SMALL)
  mkdirSync(join(folder.path, 'folder'))
  symlinkSync('nowhere', join(folder.path, 'link'))
  for (const name of ['folder', 'link']) {
    const { code, err } = await run(port, '--output', join(folder.path, name), '--force')
    assert.is(code, 1)
    assert.match(err, 'is no file')
  }
  const missing = await run(port, '--output', join(folder.path, 'missing', 'file'))
  assert.is(missing.code, 1)
  assert.match(missing.err, /cannot be written: .*ENOENT/)
  assert.equal(filesIn(folder.path), ['folder', 'link', 'old'])
})

test('a file that appears in the meantime is kept', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'file')
  await using server = await listening((request, response) => {
    writeFileSync(path, 'new')
    json(SMALL)(request, response)
  })
  const { code, err } = await run(String(server.port), '--output', path)
  assert.is(code, 1)
  assert.match(err, 'is there already')
  assert.is(readFileSync(path, 'utf8'), 'new')
  assert.equal(filesIn(folder.path), ['file'])
})

test('what is no trace, or no monitor, is told in plain words', async () => {
  using folder = tempFolder()
  const text =
    (status: number, type: string, body: string): RequestListener =>
    (_, response) => {
      response.writeHead(status, { 'content-type': type })
      response.end(body)
    }
  const cases: [RequestListener, RegExp][] = [
    [text(404, 'text/plain; charset=utf-8', 'the flight recorder is off:\nset trace\x1bEntries'), /has no trace \(HTTP 404\): the flight recorder is off:\nset trace\\x1bEntries/],
    [text(404, 'text/html', '<html>'), /is not the monitor of a dcache: it answers HTTP 404/],
    [text(302, 'text/html', ''), /is not the monitor of a dcache: it answers HTTP 302/],
    [text(200, 'text/html', '<html>'), /is not the monitor of a dcache: .* not JSON/],
    [json({ traceEvents: 5 }), /not a trace/],
    [json([]), /not a trace/],
    [json(null), /not a trace/],
    [json({ traceEvents: [{ ph: 1 }] }), /not a trace/],
    [json({ traceEvents: [SMALL.traceEvents[0]] }), /has no records: .*traceEntries/],
    [(_, response) => response.destroy(), /has closed the connection/],
    [(_, response) => { response.write('{'); setTimeout(() => response.destroy(), 20) }, /has closed the connection/],
  ] // prettier-ignore
  for (const [answer, what] of cases) {
    await using server = await listening(answer)
    const { out, err, code } = await run(String(server.port), '--output', join(folder.path, 'file'))
    assert.equal([code, out], [1, ''])
    assert.match(err, what)
  }
  assert.equal(filesIn(folder.path), [])
})

test('nothing that listens, and servers that do not speak HTTP or are silent', async () => {
  using folder = tempFolder()
  const file = ['--output', join(folder.path, 'file')]
  const free = await listening(json(SMALL))
  await free[Symbol.asyncDispose]()
  const fails = async (target: string, what: RegExp) => {
    const { code, err } = await run(target, ...file)
    assert.is(code, 1, err)
    assert.match(err, what)
  }
  await fails(String(free.port), /nothing listens at 127.0.0.1:\d+: is the program running/)
  await fails(join(folder.path, 'none'), /there is no socket/)
  await fails(folder.write('plain', ''), /nothing listens at the socket/)
  const rude = createTcp((socket) => socket.end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1')
  await once(rude, 'listening')
  await fails(String((rude.address() as AddressInfo).port), /does not speak HTTP/)
  rude.close()
  for (const target of ['', 'https://x', 'http://', 'ftp://x:1', '127.0.0.1:99999', 'unix:'])
    assert.is((await run(target, ...file)).code, 2, target)
  await using silent = await listening(() => undefined)
  const limits = { timeoutMs: 50, isSilence: true, bytesMax: 1000 }
  const late = await getFrom(parseAddress(String(silent.port)), 'trace', limits).catch((error: unknown) => error) // prettier-ignore
  assert.match((late as Error).message, /has not answered for 0.05 s/)
})

test('Ctrl-C ends it, and no file is there', async () => {
  using folder = tempFolder()
  await using server = await listening((_, response) => {
    response.write('{')
  })
  const file = join(folder.path, 'file')
  const main = join(projectRoot, 'dist/cli/main.js')
  const child = spawn(process.execPath, [main, 'trace', String(server.port), '--output', file])
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await until('the request', () => server.paths.length > 0)
  child.kill('SIGINT')
  const [code] = (await once(child, 'exit')) as [number | null]
  clearTimeout(timer)
  assert.is(code, 130)
  assert.not(existsSync(file))
  assert.equal(filesIn(folder.path), [])
})

test.run()
