// The images of a record, while some of its blocks are held: those come later, in any order, and the window in which the record is put
// together moves back. The engine runs in this thread.

import { InlineEngine, JOURNAL_ID } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { find } from '#dist/core/blocks/directory.js'
import { kick } from '#dist/core/changes/rounds.js'
import { halfAt } from '#dist/core/journal/file-header.js'
import { scanJournal } from '#dist/core/journal/scan.js'
import { keyHighOf, keyLowOf } from '#dist/shared/key.js'
import { Random } from '#dist/workload/random.js'
import { MemoryDevice } from '../support/memory-device.js'

const HALF_BYTES = 64 * 4096
const BLOCKS = 32
const SIZES = { small: 512, large: 2048 } as const
const NAMES = Object.keys(SIZES) as (keyof typeof SIZES)[]

const test = suite('images of a record')

/** Writes all blocks, and lets a writer write their record while some are held by another thread. */
async function recordWhileHeld(seed: number, writeBytes: number): Promise<void> {
  const random = new Random(seed, 0)
  const journal = new MemoryDevice(4096 + 2 * HALF_BYTES)
  const partition = (blockSize: number) => ({
    device: new MemoryDevice(BLOCKS * blockSize),
    blockSize,
    group: 'main',
  })
  const engine = new InlineEngine({
    blocks: 4 * BLOCKS,
    partitions: { small: partition(SIZES.small), large: partition(SIZES.large) },
    journals: { main: { device: journal, halfBytes: HALF_BYTES } },
    writeBytes,
  })
  const byteOf = (part: number, block: number) => 1 + ((part * BLOCKS + block + seed) % 250)
  for (const [part, name] of NAMES.entries())
    for (let block = 0; block < BLOCKS; block++)
      engine.client
        .partition(name)
        .writeSync(new Uint8Array(SIZES[name]).fill(byteOf(part, block)), block * SIZES[name])
  const frames = NAMES.flatMap((_, part) =>
    Array.from({ length: BLOCKS }, (_, block) =>
      find(engine.context, keyHighOf(part, block), keyLowOf(block)),
    ),
  )
  const order = frames.map((frame) => [random.unit(), frame] as const).sort(([a], [b]) => a - b)
  kick(engine.context, 0)
  engine.stepFlusher()
  const writer = engine.writers.findIndex(({ isAsked }) => isAsked)
  assert.ok(
    engine.stepWriterAmong(
      writer,
      order.filter(([chance]) => chance < 0.2).map(([, frame]) => frame),
    ),
  )
  engine.settle()

  const storage = {
    read: async (target: Uint8Array, at: number) => {
      target.set(journal.durable.subarray(at, at + target.length))
    },
    write: () => Promise.reject(new Error('read only')),
    sync: () => Promise.reject(new Error('read only')),
  }
  const [{ records, torn }] = await scanJournal(storage, { id: JOURNAL_ID, halfBytes: HALF_BYTES })
  assert.is(torn?.why, undefined, `seed ${seed}`)
  assert.is(records.length, 1)
  const { keys, partitions, plan } = records[0]!
  assert.is(keys.blocks.length, NAMES.length * BLOCKS)
  for (let i = 0; i < keys.blocks.length; i++) {
    const { name } = partitions[keys.partitions[i]!]!
    const at = halfAt({ id: JOURNAL_ID, halfBytes: HALF_BYTES }, 0) + plan.positions[i]!
    const image = journal.durable.subarray(at, at + SIZES[name as keyof typeof SIZES])
    const byte = byteOf(NAMES.indexOf(name as keyof typeof SIZES), keys.blocks[i]!)
    assert.ok(
      image.every((value) => value === byte),
      `seed ${seed}, ${name}:${keys.blocks[i]!}`,
    )
  }
  assert.equal(engine.checkQuiet(), [])
}

for (const [what, writeBytes] of [
  ['a window of all of it', 2 ** 20],
  ['a window of some blocks', 8192],
  ['a window of one block', 2048],
] as const)
  test(`are at their places, whatever is held: ${what}`, async () => {
    for (let seed = 1; seed <= 60; seed++) await recordWhileHeld(seed, writeBytes)
  })

test.run()
