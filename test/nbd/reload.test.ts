// @deadline 240
// Exports that come, change and go while `dcache serve` runs: SIGHUP makes it read its file of exports again, with clients
// connected that read and write.

import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { canRun, programs } from '../support/left-out.js'
import { onlyNormal } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { fioVerify, unixUri } from './fio.js'
import { COMMAND, type LogLine, Server } from './server.js'
import { WireClient } from './wire-client.js'

const BLOCK = 4096
const BLOCKS = 64
const SIZE = BLOCK * BLOCKS

class Place implements AsyncDisposable {
  readonly #folder = tempFolder()
  readonly path = join(this.#folder.path, 'socket')
  readonly list = join(this.#folder.path, 'exports')
  server!: Server

  file(name: string): string {
    return join(this.#folder.path, `${name}.img`)
  }

  /** A new file whose bytes are all `fill`; returns its line in the file of exports. */
  image(name: string, fill = 0, bytes = SIZE): string {
    writeFileSync(this.file(name), Buffer.alloc(bytes, fill))
    return this.line(name)
  }

  line(name: string, image = name): string {
    return `${name}=${this.file(image)}`
  }

  async start(lines: readonly string[], ...args: string[]): Promise<this> {
    writeFileSync(this.list, lines.join('\n'))
    const all = [
      '--exports',
      this.list,
      '--unix',
      this.path,
      '--memory',
      '16MiB',
      '--flush-delay',
      '3600',
      ...args,
    ]
    this.server = await Server.start(all)
    return this
  }

  open(name: string): Promise<WireClient> {
    return WireClient.open({ path: this.path }, name)
  }

  /** Writes the file, sends SIGHUP, and returns the lines of the log up to the one that says that it was read. */
  async reload(lines?: readonly string[]): Promise<LogLine[]> {
    const { server } = this
    if (lines !== undefined) writeFileSync(this.list, lines.join('\n'))
    const from = server.log.length
    server.signal('SIGHUP')
    const last = await Promise.race([server.said('reloaded', from), server.said('not-reloaded', from)])
    return server.log.slice(from, server.log.indexOf(last) + 1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.server as Server | undefined)?.[Symbol.asyncDispose]()
    this.#folder[Symbol.dispose]()
  }
}

const counts = (lines: readonly LogLine[]): unknown[] => {
  const { added, removed, resized, refused } = lines.at(-1)!
  return [added, removed, resized, refused]
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Whether the server has no export of this name for a new client. */
const isUnknown = async (place: Place, name: string): Promise<boolean> => {
  try {
    ;(await place.open(name))[Symbol.dispose]()
    return false
  } catch (error) {
    assert.match((error as Error).message, /replied 0x80000006/)
    return true
  }
}

/**
 * Writes block after block with an export's connection until it ends, and checks each in turn. Returns how many were answered.
 * Clients of one export write different blocks: those of their `place` of `places`, which divides the number of blocks.
 */
async function writeOn(client: WireClient, isEnough: () => boolean, place = 0, places = 1): Promise<number> {
  for (let i = 0; ; i++) {
    if (isEnough()) return i
    const bytes = Buffer.alloc(BLOCK, 1 + (i % 250))
    const position = ((i * places + place) % BLOCKS) * BLOCK
    const { error } = await client.request(nbd.NBD_CMD_WRITE, position, BLOCK, 0, bytes)
    if (error !== 0) throw new Error(`write: error ${error}`)
    assert.equal(await client.read(position, BLOCK), bytes)
  }
}

test('SIGHUP adds, removes and resizes exports, and the clients of the others notice nothing', async () => {
  await using place = new Place()
  const lines = [
    '# exports',
    '',
    place.image('kept', 1),
    place.image('gone', 2),
    `  ${place.image('large', 3)}  `,
  ]
  await place.start(lines)
  using kept = await place.open('kept')
  using gone = await place.open('gone')
  using early = await place.open('large')
  let isDone = false
  const writing = writeOn(kept, () => isDone)
  await gone.write(5 * BLOCK, Buffer.from('answered before the export went'))
  assert.is(readFileSync(place.file('gone'))[5 * BLOCK], 2, 'it is not in the file yet')

  truncateSync(place.file('large'), 2 * SIZE)
  const log = await place.reload([place.line('kept'), place.line('large'), place.image('come', 4)])
  assert.equal(counts(log), [1, 1, 1, 0], JSON.stringify(log))
  const line = (event: string) => log.find((each) => each.event === event)!
  assert.is(line('removed').message, "export 'gone' was removed: all its changes are on the disk")
  assert.is(line('resized').message, `export 'large' has grown from ${SIZE} to ${2 * SIZE} bytes`)
  assert.is(line('added').message, `export 'come' was added: ${place.file('come')}, ${SIZE} bytes`)
  assert.match(log.at(-1)!.message, /exports was read: 1 added, 1 removed, 1 resized, 0 refused$/)

  await gone.closed
  assert.match(line('closed').message, /; the export was removed$/)
  assert.ok(await isUnknown(place, 'gone'))
  using come = await place.open('come')
  assert.equal(await come.read(0, 3), Buffer.alloc(3, 4))
  using late = await place.open('large')
  await late.write(2 * SIZE - 4, Buffer.from('last'))
  const { error } = await early.request(nbd.NBD_CMD_WRITE, SIZE, 4, 0, Buffer.from('last'))
  assert.is(error, nbd.NBD_ENOSPC, 'it keeps the size that it was told')
  await early.write(SIZE - 4, Buffer.from('fine'))
  isDone = true
  assert.ok((await writing) > 0)

  await place.server.kill()
  assert.is(
    readFileSync(place.file('gone')).toString('latin1', 5 * BLOCK, 5 * BLOCK + 31),
    'answered before the export went',
  )
})

test('other clients see the new list and the new sizes', async () => {
  if (!canRun('nbdinfo of exports that change', programs('nbdinfo'))) return
  await using place = new Place()
  await place.start([place.image('a')], '--export', place.image('first'))
  const seen = () => {
    const { stdout } = spawnSync('nbdinfo', ['--json', '--list', unixUri(place.path, '')], {
      encoding: 'utf8',
    })
    const { exports } = JSON.parse(stdout) as { exports: Record<string, unknown>[] }
    return exports.map((each) => [each['export-name'], each['export-size']])
  }
  assert.equal(seen(), [['first', SIZE], ['a', SIZE]]) // prettier-ignore
  truncateSync(place.file('a'), BLOCK)
  truncateSync(place.file('first'), 3 * BLOCK)
  assert.equal(counts(await place.reload([place.image('b'), place.line('a')])), [1, 0, 2, 0])
  assert.equal(seen(), [['first', 3 * BLOCK], ['b', SIZE], ['a', BLOCK]]) // prettier-ignore
})

test('a client of an export that has shrunk gets ENOSPC and EINVAL beyond its end', async () => {
  await using place = new Place()
  await place.start([place.image('disk', 7)])
  using client = await place.open('disk')
  await client.write(SIZE - BLOCK, Buffer.from('is cut off'))
  truncateSync(place.file('disk'), SIZE / 2)
  assert.equal(counts(await place.reload()), [0, 0, 1, 0])
  const write = await client.request(nbd.NBD_CMD_WRITE, SIZE / 2, 4, 0, Buffer.from('late'))
  const read = await client.request(nbd.NBD_CMD_READ, SIZE - BLOCK, 4)
  assert.equal([write.error, read.error], [nbd.NBD_ENOSPC, nbd.NBD_EINVAL])
  await client.write(SIZE / 2 - 4, Buffer.from('fits'))
  assert.equal(await place.server.stop(), { code: 0, signal: null })
  const file = readFileSync(place.file('disk'))
  assert.equal([file.length, file.toString('latin1', SIZE / 2 - 4)], [SIZE / 2, 'fits'])
})

test('a file of exports that is wrong changes nothing, and one wrong export only itself', async () => {
  await using place = new Place()
  const [a, b] = [place.image('a'), place.image('b')]
  await place.start([a, b], '--export', place.image('fixed'), '--max-exports', '4')
  using client = await place.open('a')
  for (const [lines, says] of [
    [[a, 'nonsense'], /exports, line 2: 'nonsense' must be NAME=PATH/],
    [[b, '# twice', b], /exports, line 3: .* has a name that was given twice/],
    [[place.line('fixed')], /line 1: .* given twice/],
    [[`${'n'.repeat(4097)}=x`], /line 1: .* has a name of more than 4096 bytes/],
  ] as const) {
    const only = (await place.reload(lines)).at(-1)!
    assert.equal([only.event, only.level], ['not-reloaded', 'error'])
    assert.match(only.message, says)
    assert.match(only.message, /^the exports stay as they are: /)
  }
  rmSync(place.list)
  assert.match((await place.reload()).at(-1)!.message, /--exports .* can't be read: ENOENT/)

  writeFileSync(place.file('odd'), Buffer.alloc(1000))
  rmSync(place.file('b'))
  const log = await place.reload([
    a, b, `c=${place.file('none')}`, place.line('odd'), `${place.image('fat', 1, 2 ** 16)}:8192`, place.image('good'),
    `same=${place.file('a')}`, `five=${place.file('fat')}`,
  ]) // prettier-ignore
  const refusals = log.filter(({ event }) => event === 'unchanged').map(({ message }) => message)
  assert.equal(counts(log), [1, 0, 0, 6], JSON.stringify(log))
  for (const says of [
    /^export 'b' stays as it is: .*no such file/,
    /^export 'c' was not added: \S*none\.img: there is no such file/,
    /^export 'odd' was not added: .*1000 bytes is no multiple/,
    /^export 'fat' was not added: a block size of 8192 bytes needs a restart/,
    /^export 'same' was not added: .*there are 4 exports, the limit of --max-exports/,
    /^export 'five' was not added: .*limit of --max-exports/,
  ])
    assert.is(
      refusals.filter((message) => says.test(message)).length,
      1,
      `${String(says)}: ${refusals.join('\n')}`,
    )
  const twice = await place.reload([a, `same=${place.file('a')}`])
  assert.match(
    twice.find(({ event }) => event === 'unchanged')!.message,
    /'same' was not added: .*(overlap in one file)/,
  )
  using good = await place.open('fixed')
  await good.write(0, Buffer.from('x'))
  await client.write(0, Buffer.from('still there'))
  assert.ok(await isUnknown(place, 'good'))
})

test('a name may get another file, exports may swap theirs, and all of them may go', async () => {
  await using place = new Place()
  const lines = [place.image('a', 1), place.image('b', 2)]
  await place.start(lines)
  using old = await place.open('a')
  await old.write(0, Buffer.from('first file'))
  let log = await place.reload([place.line('a', 'b'), place.line('b', 'a')])
  assert.equal(counts(log), [2, 2, 0, 0], JSON.stringify(log))
  await old.closed
  using a = await place.open('a')
  using b = await place.open('b')
  assert.is((await b.read(0, 10)).toString(), 'first file')
  assert.equal(await a.read(0, 2), Buffer.alloc(2, 2))
  // Another file takes the path.
  place.image('next', 3)
  renameSync(place.file('next'), place.file('b'))
  log = await place.reload()
  assert.equal(counts(log), [1, 1, 0, 0], JSON.stringify(log))
  using again = await place.open('a')
  assert.equal(await again.read(0, 2), Buffer.alloc(2, 3))
  assert.equal(counts(await place.reload([])), [0, 2, 0, 0])
  await b.closed
  assert.ok((await isUnknown(place, 'a')) && (await isUnknown(place, '')))
  assert.equal(counts(await place.reload(lines)), [2, 0, 0, 0])
  using last = await place.open('')
  assert.is((await last.read(0, 10)).toString(), 'first file')
})

onlyNormal(test, 'many signals while clients come and go leave the exports of the last file', async () => {
  await using place = new Place()
  const lines = ['a', 'b', 'c', 'd'].map((name, i) => place.image(name, i))
  await place.start(lines.slice(0, 2))
  const { server } = place
  let isDone = false
  /** Opens exports that may be there or not, and uses them while they are. */
  const visitor = async (names: readonly string[], at: number) => {
    for (let i = 0; !isDone; i++) {
      try {
        using client = await place.open(names[i % names.length]!)
        await writeOn(client, () => isDone, at, 4)
      } catch (error) {
        assert.match((error as Error).message, /replied 0x80000006|has closed the connection|error 108/)
      }
    }
  }
  const visitors = [['a', 'b'], ['c', 'd'], ['b', 'c'], ['d', 'a']].map(visitor) // prettier-ignore
  for (let i = 0; i < 40; i++) {
    writeFileSync(place.list, lines.filter((_, at) => ((i * 7) >> at) & 1).join('\n'))
    server.signal('SIGHUP')
    await new Promise((resolve) => setTimeout(resolve, i % 5 === 0 ? 100 : 3))
  }
  const log = await place.reload([lines[3]!, lines[1]!])
  isDone = true
  await Promise.all(visitors)
  // A signal may have come while the one before was carried out.
  for (let last = log; !(counts(last) as number[]).every((count) => count === 0);) last = await place.reload()
  assert.not(server.log.some(({ level }) => level === 'error'), JSON.stringify(server.log.filter(({ level }) => level === 'error'))) // prettier-ignore
  assert.ok((await isUnknown(place, 'a')) && (await isUnknown(place, 'c')))
  for (const name of ['b', 'd', '']) (await place.open(name))[Symbol.dispose]()
  assert.equal(await server.stop(), { code: 0, signal: null })
})

onlyNormal(
  test,
  'fio verifies what it writes to an export while others change and its own grows',
  async () => {
    if (!canRun('fio on an export that grows', programs('fio'))) return
    await using place = new Place()
    await place.start([place.image('disk', 0, 2 ** 20), place.image('other')], '--threads', '2')
    let isDone = false
    const folder = dirname(place.path)
    const load = { seconds: 3, bytes: 2 ** 20, connections: 2, folder, name: 'load' }
    const fio = fioVerify(unixUri(place.path, 'disk'), load).finally(() => (isDone = true))
    let reloads = 0
    for (; !isDone; reloads++) {
      truncateSync(place.file('disk'), 2 ** 20 + (reloads + 1) * BLOCK)
      const lines = reloads % 2 === 0 ? [place.line('disk')] : [place.line('disk'), place.line('other')]
      assert.equal(counts(await place.reload(lines)), reloads % 2 === 0 ? [0, 1, 1, 0] : [1, 0, 1, 0])
    }
    const { errors, verified, output } = await fio
    assert.is(errors, 0, output)
    assert.ok(verified > 0 && reloads > 0, `${verified} verified, ${reloads} reloads`)
    assert.equal(await place.server.stop(), { code: 0, signal: null })
    assert.is(readFileSync(place.file('disk')).length, 2 ** 20 + reloads * BLOCK)
  },
)

test('an export whose disk has failed is not removed, nor its clients, until the disk works again', async () => {
  if (!canRun('the removal of an export whose disk has failed', programs('prlimit'))) return
  await using place = new Place()
  await place.start([place.image('a'), place.image('b')])
  const { server } = place
  using client = await place.open('b')
  await client.write(BLOCK, Buffer.from('not on the disk'))
  const limit = (bytes: string) =>
    spawnSync('prlimit', ['--pid', String(server.enginePid), `--fsize=${bytes}`])
  assert.is(limit('0:unlimited').status, 0)
  const failed = await place.reload([place.line('a')])
  assert.equal(counts(failed), [0, 0, 0, 1])
  assert.match(
    failed.find(({ event }) => event === 'unchanged')!.message,
    /^export 'b' was not removed, and is served as before: .*\(ERR_DCACHE_FENCED\)$/,
  )
  assert.is((await client.read(BLOCK, 15)).toString(), 'not on the disk')
  ;(await place.open('b'))[Symbol.dispose]()
  assert.is(limit('unlimited:unlimited').status, 0)
  await server.said('restored')
  assert.equal(counts(await place.reload()), [0, 1, 0, 0])
  await client.closed
  assert.is(readFileSync(place.file('b')).toString('latin1', BLOCK, BLOCK + 15), 'not on the disk')
})

onlyNormal(test, 'a client that does not take its replies delays a removal, but not for long', async () => {
  await using place = new Place()
  await place.start([place.image('a'), place.image('b')])
  using client = await place.open('b')
  client.socket.pause()
  for (let i = 0; i < 200; i++) void client.request(nbd.NBD_CMD_READ, 0, SIZE)
  using other = await place.open('a')
  const [log] = await Promise.all([
    place.reload([place.line('a')]),
    other.write(0, Buffer.from('served all the time')),
  ])
  assert.equal(counts(log), [0, 1, 0, 0])
  assert.match(
    log.find(({ event }) => event === 'closed')!.message,
    /the export was removed, and the peer did not leave in time/,
  )
})

test('a stop ends a reload that is under way', async () => {
  await using place = new Place()
  await place.start([place.image('a'), place.image('b')])
  const { server } = place
  using client = await place.open('b')
  client.socket.pause()
  for (let i = 0; i < 200; i++) void client.request(nbd.NBD_CMD_READ, 0, SIZE)
  writeFileSync(place.list, place.line('a'))
  server.signal('SIGHUP')
  while (!(await isUnknown(place, 'b'))) await new Promise((resolve) => setTimeout(resolve, 10))
  client.socket.resume()
  server.signal('SIGTERM')
  server.signal('SIGHUP')
  assert.equal(await server.exit, { code: 0, signal: null })
})

onlyNormal(test, 'a signal that comes before the server is ready is not lost', async () => {
  await using place = new Place()
  writeFileSync(place.list, place.image('a'))
  place.server = new Server(['--exports', place.list, '--unix', place.path, '--memory', '16MiB'])
  const { server } = place
  await until(() => readdirSync(dirname(place.path)).some((name) => name.startsWith('socket')))
  writeFileSync(place.list, place.image('b'))
  server.signal('SIGHUP')
  await server.said('reloaded')
  assert.equal(
    server.log.map(({ event }) => event),
    ['ready', 'removed', 'added', 'reloaded'],
  )
  ;(await place.open('b'))[Symbol.dispose]()
})

onlyNormal(
  test,
  'on a terminal SIGHUP reads the file again, and the end of the terminal ends the server',
  async () => {
    if (!canRun('a server on a terminal', programs('script'))) return
    await using place = new Place()
    writeFileSync(place.list, place.image('a'))
    const pidFile = `${place.list}.pid`
    const command = `echo $$ > ${pidFile}; exec ${process.execPath} ${COMMAND} serve --exports ${place.list} --unix ${place.path} --flush-delay 3600`
    const terminal = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'inherit'] })
    await until(() => existsSync(place.path))
    const pid = Number(readFileSync(pidFile, 'utf8'))
    using client = await place.open('a')
    await client.write(0, Buffer.from('flushed at the end'))
    writeFileSync(place.list, [place.line('a'), place.image('b')].join('\n'))
    process.kill(pid, 'SIGHUP')
    for (;;) if (!(await isUnknown(place, 'b'))) break
    terminal.kill('SIGKILL')
    await until(() => !existsSync(`/proc/${pid}`))
    assert.not(existsSync(place.path))
    assert.is(readFileSync(place.file('a')).toString('latin1', 0, 18), 'flushed at the end')
  },
)

test('what cannot be served at the start is refused', async () => {
  using folder = tempFolder()
  const image = join(folder.path, 'a.img')
  writeFileSync(image, Buffer.alloc(BLOCK))
  const list = join(folder.path, 'exports')
  for (const [text, args, says] of [
    [undefined, [], /--exports .* can't be read: ENOENT/],
    [`a=${image}\n\nb`, [], /exports, line 3: 'b' must be NAME=PATH/],
    [`a=${image}\nb=${image}.none`, [], /export 'b': .*no such file/],
    [`a=${image}`, ['--export', `a=${image}`], /line 1: .*given twice/],
    [
      `a=${image}`,
      ['--export', `b=${image}`, '--max-exports', '1'],
      /there are 2 exports, and --max-exports is 1/,
    ],
  ] as const) {
    if (text !== undefined) writeFileSync(list, text)
    await using server = new Server(['--exports', list, '--unix', join(folder.path, 'socket'), ...args])
    assert.is((await server.exit).code, 2, server.text)
    assert.match(server.text, says)
  }
})

test.run()
