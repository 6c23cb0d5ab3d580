// @deadline 240
// The server's log: lines that cannot be written are counted and stop nothing, lines that clients cause are limited, and
// control characters are escaped.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { LogLimit } from '#dist/nbd/log-limit.js'
import { entry } from '#dist/nbd/log.js'
import type { LogEntry } from '#dist/nbd/messages.js'
import { printable, printableJson, printableLines } from '#dist/nbd/printable.js'
import { Sink } from '#dist/nbd/sink.js'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'
import { Server } from './server.js'
import { clientFlags, optionBytes, WireClient } from './wire-client.js'

const COMMAND = join(projectRoot, 'dist/cli/main.js')

/** Lets `Sink` write to a string. `system` returns how many bytes of a write are accepted, or throws. */
function sinkInto(system: (bytes: number) => number) {
  const said = { text: '' }
  const sink = new Sink(
    (lost) => `lost ${lost}`,
    (bytes, at) => {
      const count = system(bytes.length - at)
      said.text += bytes.toString('utf8', at, at + count)
      return count
    },
  )
  return { sink, said }
}

const failing = (code: string) => Object.assign(new Error(code), { code })

test('a full disk loses lines, and their number is logged when there is space again', () => {
  let isFull = false
  const { sink, said } = sinkInto((bytes) => {
    if (isFull) throw failing('ENOSPC')
    return bytes
  })
  sink.line('one')
  isFull = true
  sink.line('two')
  sink.line('three')
  isFull = false
  sink.line('four')
  assert.is(said.text, 'one\nlost 2\nfour\n')
})

test('a line that an error cuts off does not run into the next', () => {
  const room = [2, -1, 100, 100, 100]
  const { sink, said } = sinkInto((bytes) => {
    const next = room.shift()!
    if (next < 0) throw failing('ENOSPC')
    return Math.min(bytes, next)
  })
  sink.line('hello')
  sink.line('again')
  assert.is(said.text, 'he\nlost 1\nagain\n')
})

test('a stalled reader blocks nothing: it gets the lines that fit, and the count of the rest', async () => {
  let isStill = true
  const { sink, said } = sinkInto((bytes) => {
    if (isStill) throw failing('EAGAIN')
    return bytes
  })
  for (let i = 0; i < 1000; i++) sink.line(`${i} ${'x'.repeat(1000)}`)
  assert.is(said.text, '')
  isStill = false
  await sink.end()
  const lines = said.text.trimEnd().split('\n')
  const [, lost] = /^lost (\d+)$/.exec(lines.pop()!)!
  assert.ok(lines.length > 100)
  assert.is(lines.length + Number(lost), 1000)
  for (const [i, line] of lines.entries()) assert.ok(line.startsWith(`${i} `))
})

test('control characters are escaped, and nothing else', () => {
  const acting =
    '\0\u0007\u001b\u007f\u0080\u009b\u00ad\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\u{e0041}\ud800'
  assert.is(printable('a\nb\r\tc'), 'a\\nb\\r\\tc')
  assert.is(printable('\u001b[31m'), '\\x1b[31m')
  assert.is(printable('\u202e\u{e0041}'), '\\u{202e}\\u{e0041}')
  assert.is(printable('größe 日本 /a b/ "\' \\n'), 'größe 日本 /a b/ "\' \\n')
  assert.is(printable(printable(acting)), printable(acting))
  assert.is(printableLines('a\u001b\nb'), 'a\\x1b\nb')
  for (const text of [printable(acting), printableJson(JSON.stringify(acting))])
    assert.match(text, /^[\x20-\x7e]+$/)
  assert.is(JSON.parse(printableJson(JSON.stringify(acting))), acting)
})

test('lines of strangers, clients and failures are limited separately, and dropped lines are counted', () => {
  const log: LogEntry[] = []
  const limit = new LogLimit((what) => log.push(what))
  for (let i = 0; i < 5000; i++) limit.pass(entry('warn', 'closed', 'a stranger', { export: null }))
  const strangers = log.length
  assert.ok(strangers >= 100 && strangers < 1000, String(strangers))
  limit.pass(entry('info', 'opened', 'a client', { export: 'disk' }))
  limit.pass(entry('error', 'failed', 'a disk', { export: 'disk' }))
  assert.equal(log.slice(strangers).map(({ message }) => message), ['a client', 'a disk']) // prettier-ignore
  limit.report()
  limit.report()
  assert.is(log.length, strangers + 3)
  assert.is(log.at(-1)!.fields['leftOut'], 5000 - strangers)
})

function place() {
  const folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(4096 * 16))
  const path = join(folder.path, 'socket')
  return { folder, disk, path, args: ['--export', `disk=${disk}`, '--unix', path, '--memory', '16MiB'] }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 60_000; !isSo();) {
    if (performance.now() > endMs) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

for (const [what, open] of [
  ['is a full disk', () => openSync('/dev/full', 'w')],
  ['is a pipe that is closed', () => 'closed'],
  ['is a pipe that is never read', () => 'unread'],
] as const) {
  test(`clients are served when the log ${what}, and answered writes are on the disk at the end`, async () => {
    const { folder, disk, path, args } = place()
    using _ = folder
    const stderr = open()
    const server = spawn(process.execPath, [COMMAND, 'serve', ...args], {
      stdio: ['ignore', 'ignore', typeof stderr === 'number' ? stderr : 'pipe'],
    })
    const ended = once(server, 'exit')
    if (stderr === 'closed') server.stderr!.destroy()
    try {
      await until('it serves', () => existsSync(path) || server.exitCode !== null)
      using client = await WireClient.open({ path }, 'disk')
      await client.write(0, Buffer.from('kept'))
      // More than a pipe and the socket of a child can buffer.
      if (stderr === 'unread') {
        for (let i = 0; i < 400; i++) {
          using stranger = new WireClient({ path })
          await stranger.take(18)
          const name = Buffer.alloc(nbd.NBD_MAX_STRING, 0x0a)
          stranger.socket.write(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_EXPORT_NAME, name)]))
          await stranger.closed
        }
      }
      assert.is((await client.read(0, 4)).toString(), 'kept')
    } finally {
      server.kill('SIGTERM')
      if (typeof stderr === 'number') closeSync(stderr)
    }
    assert.equal(await ended, [0, null])
    assert.is(readFileSync(disk).toString('latin1', 0, 4), 'kept')
  })
}

test('names in requests and options are escaped in the log and in messages', async () => {
  const { folder, path, args } = place()
  using _ = folder
  const name = Buffer.from('x\n{"event":"ready"} \u001b[31m\r\u009b1m\u2028\u202e')
  await using server = await Server.start(args)
  using client = new WireClient({ path })
  client.socket.write(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_EXPORT_NAME, name)]))
  await client.closed
  const { message } = await server.said('closed')
  assert.ok(message.includes(name.toString()), 'JSON keeps it')
  assert.is(server.text, '')
  assert.match(server.raw, /^[\x20-\x7e\n]+$/)
  await server.stop()
  for (const options of [
    ['--export', `disk=${folder.path}/\u001b[31m`, '--unix', path],
    ['--export', 'a\u001b[31m', '--unix', path],
  ]) {
    await using refused = new Server(options)
    assert.is((await refused.exit).code, 2)
    assert.match(refused.text, '\\x1b')
    assert.not(refused.text.includes('\u001b'))
  }
})

test.run()
