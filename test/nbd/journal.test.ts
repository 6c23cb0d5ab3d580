// @deadline 500
// `dcache serve --journal`: what was flushed is there after the server was killed, whichever exports it was; a start that could
// serve torn blocks is refused; exports come and go; an orderly end leaves plain files.

import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { parseJournal } from '#dist/nbd/journal.js'
import { tempFolder } from '../support/temp.js'
import { type LogLine, Server } from './server.js'
import { WireClient } from './wire-client.js'

const BLOCK = 4096
const BLOCKS = 64
const SIZE = BLOCK * BLOCKS

class Place implements Disposable {
  readonly #folder = tempFolder()
  readonly socket = this.file('socket')
  readonly journal = this.file('exports.journal')
  readonly list = this.file('exports')

  file(name: string): string {
    return join(this.#folder.path, name)
  }

  /** A new file whose bytes are all `fill`; returns it as an export. */
  image(name: string, fill = 0): string {
    writeFileSync(this.file(name), Buffer.alloc(SIZE, fill))
    return this.line(name)
  }

  line(name: string): string {
    return `${name}=${this.file(name)}`
  }

  isMarked(name: string): boolean {
    return existsSync(this.file(`${name}.dcache-journal`))
  }

  args(exports: readonly string[], ...more: string[]): string[] {
    return [
      ...exports.flatMap((each) => ['--export', each]),
      ...['--unix', this.socket, '--memory', '16MiB', '--flush-delay', '3600'],
      ...more,
    ]
  }

  start(exports: readonly string[], ...more: string[]): Promise<Server> {
    return Server.start(this.args(exports, '--journal', this.journal, ...more))
  }

  open(name: string): Promise<WireClient> {
    return WireClient.open({ path: this.socket }, name)
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]()
  }
}

async function refused(args: readonly string[], says: RegExp): Promise<void> {
  await using server = new Server(args)
  assert.is((await server.exit).code, 2, `${args.join(' ')}: ${server.text}`)
  assert.match(server.text, says)
}

const found = (server: Server): LogLine | undefined => server.log.find(({ event }) => event === 'recovered')

/** Writes the list of exports, sends SIGHUP, and returns the lines of the log up to the one that says that it was read. */
async function reload(place: Place, server: Server, lines: readonly string[]): Promise<LogLine[]> {
  writeFileSync(place.list, lines.join('\n'))
  const from = server.log.length
  server.signal('SIGHUP')
  const last = await server.said('reloaded', from)
  return server.log.slice(from, server.log.indexOf(last) + 1)
}

test('what was flushed is there after the server was killed, of all exports', async () => {
  using place = new Place()
  const exports = [place.image('a', 1), place.image('b', 2), place.image('c', 3)]
  {
    await using server = await place.start(exports)
    assert.is(found(server), undefined, 'a new journal has nothing')
    assert.ok(place.isMarked('a') && place.isMarked('b') && place.isMarked('c'))
    using a = await place.open('a')
    using b = await place.open('b')
    await a.write(0, Buffer.alloc(2 * BLOCK, 11))
    await b.write(100, Buffer.from('unaligned'))
    await a.flush()
    await b.write(5 * BLOCK, Buffer.alloc(BLOCK, 22), nbd.NBD_CMD_FLAG_FUA)
    await a.request(nbd.NBD_CMD_WRITE_ZEROES, 8 * BLOCK, 3 * BLOCK, nbd.NBD_CMD_FLAG_FUA)
    await a.write(0, Buffer.alloc(BLOCK, 99)) // is not flushed
    await server.kill()
  }
  await refused(place.args(exports), /exports\.journal.*--journal FILE.*ERR_DCACHE_BAD_JOURNAL/s)
  await refused(place.args(exports, '--journal', place.file('other')), /ERR_DCACHE_BAD_JOURNAL/)
  await refused(place.args(exports.slice(1), '--journal', place.journal), /'a'.*ERR_DCACHE_BAD_JOURNAL/s)
  {
    await using server = await place.start(exports)
    const { message, path, records, blocks } = found(server)!
    assert.match(message, /of export 'a'.*of export 'b'/)
    assert.is(path, place.journal)
    assert.ok((records as number) >= 3 && (blocks as number) >= 7, message)
    assert.ok(
      server.log.indexOf(found(server)!) < server.log.findIndex(({ event }) => event === 'ready'),
      'before the server is ready',
    )
    using a = await place.open('a')
    using b = await place.open('b')
    assert.equal(await a.read(0, 2 * BLOCK), Buffer.alloc(2 * BLOCK, 11))
    assert.equal(await a.read(8 * BLOCK, 3 * BLOCK), Buffer.alloc(3 * BLOCK))
    assert.equal(await a.read(11 * BLOCK, 1), Buffer.from([1]))
    assert.equal(await b.read(99, 11), Buffer.from('\x02unaligned\x02'))
    assert.equal(await b.read(5 * BLOCK, BLOCK), Buffer.alloc(BLOCK, 22))
    await b.write(0, Buffer.from('in order'))
    assert.equal(await server.stop(), { code: 0, signal: null })
  }
  assert.not.ok(place.isMarked('a') || place.isMarked('b') || place.isMarked('c'))
  assert.is(readFileSync(place.file('b')).toString('latin1', 0, 8), 'in order')
  await using plain = await Server.start(place.args(exports))
  assert.is(found(plain), undefined)
})

test('exports that come are in the journal, those that go are not', async () => {
  using place = new Place()
  const [kept, gone, come] = ['kept', 'gone', 'come'].map((name) => place.image(name)) as [string, string, string] // prettier-ignore
  writeFileSync(place.list, gone)
  {
    await using server = await place.start([kept], '--exports', place.list)
    using first = await place.open('kept')
    using second = await place.open('gone')
    await first.write(0, Buffer.from('kept'))
    await second.write(0, Buffer.from('gone'))
    await second.flush()
    truncateSync(place.file('kept'), 2 * SIZE)
    const log = await reload(place, server, [come])
    assert.match(log.at(-1)!.message, /1 added, 1 removed, 1 resized, 0 refused$/)
    assert.not.ok(place.isMarked('gone'))
    assert.ok(place.isMarked('come'))
    assert.is(readFileSync(place.file('gone')).toString('latin1', 0, 4), 'gone')
    using third = await place.open('come')
    await third.write(SIZE - 4, Buffer.from('come'))
    await third.flush()
    await server.kill()
  }
  {
    await using server = await place.start([kept], '--exports', place.list)
    assert.match(found(server)!.message, /of export 'come'/)
    using third = await place.open('come')
    assert.is((await third.read(SIZE - 4, 4)).toString(), 'come')
    using first = await place.open('kept')
    assert.is((await first.read(0, 4)).toString(), 'kept')
    assert.equal(await first.read(2 * SIZE - 1, 1), Buffer.alloc(1))

    truncateSync(place.file('kept'), SIZE)
    assert.match((await reload(place, server, [])).at(-1)!.message, /0 added, 1 removed, 1 resized, 0 refused$/) // prettier-ignore
    await server.kill()
  }
  await using server = await place.start([kept])
  using client = await place.open('kept')
  assert.is((await client.read(0, 4)).toString(), 'kept')
  assert.equal(await server.stop(), { code: 0, signal: null })
})

test('an export that does not fit to the journal is not added', async () => {
  using place = new Place()
  const disk = place.image('disk')
  writeFileSync(place.list, '')
  await using owner = await Server.start([
    ...['--export', place.image('marked'), '--journal', place.file('other.journal')],
    ...['--port', '0', '--memory', '16MiB'],
  ])
  await owner.kill()
  {
    await using server = await Server.start(
      place.args([disk], '--exports', place.list, '--journal', `${place.journal}:80KiB`),
    )
    const long = `${'x'.repeat(4000)}=${place.file('disk2')}`
    place.image('disk2')
    const log = await reload(place, server, [place.line('marked'), long])
    const told = log.filter(({ event }) => event === 'unchanged').map(({ message }) => message)
    assert.match(told[0]!, /'marked' was not added.*other\.journal.*ERR_DCACHE_BAD_JOURNAL/)
    assert.match(told[1]!, /was not added.*need at least \d+.*ERR_DCACHE_BAD_OPTION/)
    assert.match(log.at(-1)!.message, /0 added, 0 removed, 0 resized, 2 refused$/)
    using client = await place.open('disk')
    for (let i = 0; i < 3 * BLOCKS; i++) {
      await client.write((i % BLOCKS) * BLOCK, Buffer.alloc(BLOCK, i))
      if (i % 5 === 0) await client.flush()
    }
    assert.equal(await server.stop(), { code: 0, signal: null })
  }
  for (let block = 0; block < BLOCKS; block++)
    assert.is(readFileSync(place.file('disk'))[block * BLOCK], (2 * BLOCKS + block) & 255)
})

test('a journal that can be none is refused', async () => {
  using place = new Place()
  const exports = [place.image('disk', 7)]
  const journal = (text: string) => place.args(exports, '--journal', text)
  await refused(journal(`${place.journal}:64MBit`), /64MBit.*whole number of bytes/)
  await refused(journal(`${place.journal}:0`), /multiple of 8192/)
  await refused(journal(`${place.journal}:12288`), /multiple of 8192/)
  await refused(journal(`${place.journal}:8KiB`), /at least \d+ bytes.*8 blocks of 4096 bytes/)
  await refused([...journal(place.journal), '--read-only'], /--journal.*--read-only/)
  writeFileSync(place.file('text'), 'a text')
  await refused(journal(place.file('text')), /ERR_DCACHE_BAD_JOURNAL/)
  await refused(journal(place.file('disk')), /ERR_DCACHE_(BAD_JOURNAL|IN_USE)/)
  await refused(journal(join(place.file('none'), 'journal')), /ERR_DCACHE_BAD_FILE/)
  assert.not.ok(existsSync(place.journal) || place.isMarked('disk'))
  assert.equal(readFileSync(place.file('disk')), Buffer.alloc(SIZE, 7))
})

test('the size of a journal is what follows the last colon', () => {
  const sizes = ['j', 'j:1MiB', 'a:b', 'a:b:16384', 'a:1/j'].map((text) => parseJournal(text).sizeBytes)
  assert.equal(sizes, [undefined, 2 ** 20, undefined, 16384, undefined])
})

test.run()
