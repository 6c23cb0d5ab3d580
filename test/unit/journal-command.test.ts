// dcache journal: what it says of a journal, as text and as JSON, and its exit codes.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { journalCommand, type JournalReport } from '#dist/cli/journal.js'
import { encodeFileHeader, fileBytesOf, halfAt } from '#dist/core/journal/file-header.js'
import { planRecord } from '#dist/core/journal/record.js'
import { encodeRecord } from '../support/records.js'
import { tempFolder } from '../support/temp.js'

const FILE = { id: Uint8Array.from({ length: 16 }, (_, i) => i), halfBytes: 16384 }
const PARTITIONS = [
  { name: 'main', blockSize: 1024, blocks: 2000, offset: 4096, isMarked: true },
  { name: 'ho\nle', blockSize: 512, blocks: 10, offset: 0, isMarked: false },
]

/** A journal with these records. */
function journal(records: readonly { number: number; half: 0 | 1; at?: number }[]): Uint8Array {
  const bytes = new Uint8Array(fileBytesOf(FILE.halfBytes))
  bytes.set(encodeFileHeader(FILE))
  for (const { number, half, at = 0 } of records) {
    const keys = { partitions: [0, 0, 1], blocks: [5, 1999, 9] }
    const plan = planRecord(PARTITIONS, keys)
    const record = new Uint8Array(plan.bytes).fill(number, plan.headerBytes)
    encodeRecord(record, { id: FILE.id, number, half, at, turn: half }, PARTITIONS, keys, plan)
    bytes.set(record, halfAt(FILE, half) + at)
  }
  return bytes
}

/** Runs the command in this process. */
async function run(...args: string[]): Promise<{ out: string; err: string; code: number }> {
  const { stdout, stderr } = process
  const original = [stdout.write, stderr.write] // eslint-disable-line @typescript-eslint/unbound-method
  const written = ['', '']
  for (const [i, stream] of [stdout, stderr].entries())
    stream.write = (text: string | Uint8Array) => {
      written[i]! += String(text)
      return true
    }
  try {
    await journalCommand().parseAsync(args, { from: 'user' })
    return { out: written[0]!, err: written[1]!, code: Number(process.exitCode) }
  } finally {
    stdout.write = original[0]!
    stderr.write = original[1]!
    process.exitCode = 0
  }
}

test('tells which records are replayed, in which order, and of what they are', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'j')
  const bytes = journal([{ number: 8, half: 0 }, { number: 9, half: 0, at: 8192 }, { number: 7, half: 1 }]) // prettier-ignore
  writeFileSync(path, bytes)
  const text = await run(path)
  assert.is(text.code, 0)
  assert.match(text.out, /half +state +record +partition +blocks/)
  assert.match(text.out, /^0 +whole +8 +main +2 +1024 +2,000 +4,096$/m)
  assert.match(text.out, /^0 +whole +9 +main +2 +1024 +2,000 +4,096$/m)
  assert.match(text.out, /^1 +whole +7 +ho\\nle +1 +512 +10 +0$/m)
  assert.match(text.out, 'the next opening replays record 7, then record 8, then record 9')
  assert.not.match(text.out, 'block 1999')
  assert.match((await run(path, '--blocks')).out, /^half 1 {2}main {2}block 1999$/m)
  const json = await run(path, '--json', '--blocks')
  assert.is(json.code, 0)
  const report = JSON.parse(json.out) as JournalReport
  const { records, ...rest } = report
  assert.equal(rest, {
    path,
    id: '000102030405060708090a0b0c0d0e0f',
    bytes: bytes.length,
    halfBytes: FILE.halfBytes,
    replay: [7, 8, 9],
    problem: null,
  })
  assert.equal(records.map(({ half, number }) => [half, number]), [[0, 8], [0, 9], [1, 7]]) // prettier-ignore
  assert.equal(records[0]!.partitions[1], { name: 'ho\nle', blockSize: 512, length: 10, offset: 0, marked: false, blocks: 1 }) // prettier-ignore
  assert.equal(records[0]!.blocks![1], { partition: 'main', block: 1999, whole: true })
  assert.equal(Buffer.from(readFileSync(path)), Buffer.from(bytes))
})

test('tells an empty journal, a torn record and the block that is damaged', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'j')
  writeFileSync(path, journal([]))
  const empty = await run(path)
  assert.is(empty.code, 0)
  assert.match(empty.out, 'no records')
  assert.match(empty.out, 'replays nothing')
  const bytes = journal([{ number: 3, half: 0 }])
  bytes[halfAt(FILE, 0) + 4096 + 1024]! ^= 4
  writeFileSync(path, bytes)
  const torn = await run(path, '--blocks')
  assert.is(torn.code, 1)
  assert.match(torn.out, 'half 0: the checksums of 1 of its 3 blocks are wrong')
  assert.match(torn.out, /^half 0 {2}main {2}block 1999 {2}damaged$/m)
  assert.match(torn.out, 'replays nothing')
  bytes[halfAt(FILE, 0) + 70]! ^= 4
  writeFileSync(path, bytes)
  const header = await run(path, '--json')
  assert.is(header.code, 1)
  assert.equal((JSON.parse(header.out) as JournalReport).records[0], {
    half: 0,
    state: 'torn',
    why: 'the checksum of its header is wrong',
    number: null,
    bytes: null,
    partitions: [],
  })
})

test('records whose numbers overlap are refused', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'j')
  writeFileSync(path, journal([{ number: 3, half: 0 }, { number: 3, half: 1 }])) // prettier-ignore
  const { out, code } = await run(path)
  assert.is(code, 1)
  assert.match(out, 'the records 3 to 3')
})

test('what is no journal is exit code 2', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'j')
  const cases: [Uint8Array | undefined, RegExp][] = [
    [undefined, /ENOENT/],
    [new Uint8Array(), /zeros/],
    [new Uint8Array(9000), /zeros/],
    [new Uint8Array(9000).fill(1), /not a journal/],
    [journal([]).subarray(0, 8000), /it has 8000 bytes/],
  ]
  for (const [bytes, why] of cases) {
    if (bytes) writeFileSync(path, bytes)
    const { out, err, code } = await run(path)
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, why)
    assert.match(err, path)
  }
  assert.is((await run('/dev/null')).code, 2)
  assert.is((await run(folder.path)).code, 2)
})

test.run()
