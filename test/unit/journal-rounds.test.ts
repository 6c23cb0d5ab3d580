// Groups with a journal: when a record is written and by which thread, when blocks are written in place, which images are kept, and what
// failures do. The engine runs in this thread, and a test decides who goes on.

import { type InlineDevice, InlineEngine, type InlineOptions, JOURNAL_ID } from '../support/inline-engine.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lostBlocks } from '#dist/core/inspect/lost.js'
import { newestHalf } from '#dist/core/journal/place.js'
import { scanJournal } from '#dist/core/journal/scan.js'
import { resumeRecords, stopRecords } from '#dist/core/changes/stop-records.js'
import { runSync } from '#dist/shared/wait.js'
import { Frame, Group, Header, State } from '#dist/shared/words.js'
import { MemoryDevice } from '../support/memory-device.js'

const BLOCK = 512
const PAGE = 4096

interface Bench {
  readonly engine: InlineEngine
  readonly data: MemoryDevice
  readonly journal: MemoryDevice
  /** The first byte of a block on the disk. */
  readonly onDisk: (block: number) => number
  /** The blocks of each record, by half. */
  readonly records: () => Promise<number[][][]>
  readonly write: (block: number, value: number) => void
}

/** A cache with one partition of small blocks, whose group has a journal. `pages`: of each half. */
function bench(pages = 8, more: Partial<InlineOptions> = {}, device?: InlineDevice): Bench {
  const data = new MemoryDevice(64 * BLOCK)
  const halfBytes = pages * PAGE
  const journal = new MemoryDevice(PAGE + 2 * halfBytes)
  const engine = new InlineEngine({
    blocks: 64,
    partitions: { data: { device: device ?? data, blockSize: BLOCK, group: 'main' } },
    journals: { main: { device: journal, halfBytes } },
    ...more,
  })
  return {
    engine,
    data,
    journal,
    onDisk: (block) => data.durable[block * BLOCK]!,
    write(block, value) {
      engine.client.partition('data').writeSync(new Uint8Array(BLOCK).fill(value), block * BLOCK)
    },
    async records() {
      const storage = {
        read: async (target: Uint8Array, at: number) => {
          target.set(journal.durable.subarray(at, at + target.length))
        },
        write: () => Promise.reject(new Error('read only')),
        sync: () => Promise.reject(new Error('read only')),
      }
      const halves = await scanJournal(storage, { id: JOURNAL_ID, halfBytes })
      return halves.map(({ records }) => records.map(({ keys }) => Array.from(keys.blocks)))
    },
  }
}

const wordOf = ({ context, arena }: InlineEngine, word: Group): number =>
  context.words[arena.groupAt(0) + word]!

const EIO = () => Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 })

const records = suite('records')

records('a flush of a few blocks writes a record itself, and nothing in place', async () => {
  const { engine, write, onDisk, records: recordsIn } = bench()
  write(3, 7)
  write(1, 8)
  engine.client.flushSync()
  assert.equal(await recordsIn(), [[[1, 3]], []])
  assert.equal([onDisk(1), onDisk(3)], [0, 0])
  assert.is(engine.client.stats().blocks.dirty, 2)
  assert.equal(lostBlocks(engine.context), [], 'what is in the journal is not lost')
  assert.equal(engine.checkQuiet(), [])
})

records('a flush of many blocks is a record that a writer writes', async () => {
  const { engine, write, records: recordsIn } = bench()
  for (let block = 0; block < 20; block++) write(block, 1)
  engine.client.flushSync()
  const [[record]] = (await recordsIn()) as [[number[]], []]
  assert.equal(
    record,
    Array.from({ length: 20 }, (_, block) => block),
  )
})

records('a block that was changed again is in the next record, one that was not is in one', async () => {
  const { engine, write, records: recordsIn } = bench()
  write(1, 1)
  write(2, 1)
  engine.client.flushSync()
  write(2, 2)
  engine.client.flushSync()
  engine.client.flushSync()
  assert.equal(await recordsIn(), [[[1, 2], [2]], []])
})

records('the blocks of a commit are in one record, whatever was asked to be flushed', async () => {
  const { engine, records: recordsIn } = bench()
  const partition = engine.client.partition('data')
  const guards = [4, 2, 9].map((block) => partition.acquireSync(block, 'modify'))
  for (const guard of guards) {
    guard.data.fill(5)
    guard.markDirty()
  }
  engine.client.commit(...guards)
  engine.client.flushSync({ through: engine.context.writeOrder[0]! })
  assert.equal(await recordsIn(), [[[2, 4, 9]], []])
})

records('a block that is being changed is in a record as it was at its last release', async () => {
  const { engine, write, journal } = bench()
  write(5, 1)
  const guard = engine.client.partition('data').acquireSync(5, 'modify')
  guard.data.fill(2)
  engine.client.kick()
  engine.settle()
  assert.ok(journal.durable.includes(1))
  assert.not(journal.durable.subarray(2 * PAGE).includes(2))
  guard.discard()
})

records('more released blocks than a half holds are several records, in their order', async () => {
  const { engine, write, records: recordsIn } = bench(3)
  const most = wordOf(engine, Group.recordMax)
  assert.ok(most >= 8 && most < 20)
  const count = 2 * most
  for (let block = 0; block < count; block++) write(block, 1)
  engine.client.flushSync()
  engine.client.flushSync()
  const found = (await recordsIn()).flat()
  assert.ok(found.every((blocks) => blocks.length <= most))
  // The older half may have been begun again; then its blocks are in place.
  engine.client.kick()
  engine.settle()
  assert.is(engine.client.stats().blocks.dirty, 0)
})

records('a commit of more blocks than a half holds is refused, and nothing is released', () => {
  const { engine } = bench(3)
  const most = wordOf(engine, Group.recordMax)
  const partition = engine.client.partition('data')
  const guards = Array.from({ length: most + 1 }, (_, block) => partition.acquireSync(block, 'modify'))
  for (const guard of guards) guard.markDirty()
  assert.throws(
    () => engine.client.commit(...guards),
    (error: { code: string; message: string }) =>
      error.code === 'ERR_DCACHE_COMMIT' && error.message.includes('journal.size'),
  )
  for (const guard of guards) guard.discard()
  assert.throws(
    () =>
      engine.client.updateSync(
        guards.map((_, block) => ['data', block] as const),
        (held) => {
          for (const guard of held) guard.markDirty()
        },
      ),
    (error: { code: string }) => error.code === 'ERR_DCACHE_COMMIT',
  )
  assert.equal(engine.checkQuiet(), [])
})

records('an image without a stage is found by check', () => {
  const { engine, write } = bench()
  write(1, 1)
  const { context, arena } = engine
  const [frame] = Array.from({ length: arena.frames }, (_, i) => arena.frameAt(i)).filter(
    (at) => context.words[at + Frame.keyHigh] !== 0 && context.words[at + Frame.keyLow] === 1,
  )
  const state = context.words[frame! + Frame.state]!
  context.words[frame! + Frame.state] = (state & ~State.CLASS_MASK) | (5 << State.CLASS_SHIFT)
  assert.ok(engine.checkQuiet().some((line) => line.startsWith('W7 ')))
  context.words[frame! + Frame.state] = state
  assert.equal(engine.checkQuiet(), [])
})

const places = suite('writes in place')

places('kick makes blocks clean', () => {
  const { engine, write, onDisk } = bench()
  write(3, 7)
  engine.client.kick()
  engine.settle()
  assert.is(onDisk(3), 7)
  assert.is(engine.client.stats().blocks.dirty, 0)
})

places('a half is written in place when the other one is begun, as it was recorded', async () => {
  const { engine, write, onDisk, records: recordsIn } = bench(8)
  for (let i = 1; i <= 4; i++) {
    write(i, i)
    engine.client.flushSync()
  }
  assert.equal(
    (await recordsIn()).map((half) => half.length),
    [4, 0],
  )
  write(9, 9)
  engine.client.flushSync()
  // Changed while the older half owes it: the image is kept.
  write(1, 100)
  engine.settle()
  assert.equal([1, 2, 3, 4].map(onDisk), [1, 2, 3, 4])
  assert.is(wordOf(engine, Group.owes), 0)
  const guard = engine.client.partition('data').acquireSync(1, 'read')
  assert.is(guard.data[0], 100)
  guard.release()
  assert.equal(engine.checkQuiet(), [])
})

places(
  'a block in the half in use is changed without an image, and is written when it is recorded again',
  () => {
    const { engine, write, onDisk } = bench()
    write(1, 1)
    engine.client.flushSync()
    const spares = wordOf(engine, Group.spareCount)
    write(1, 2)
    assert.is(wordOf(engine, Group.spareCount), spares)
    engine.client.kick()
    engine.settle()
    engine.client.kick()
    engine.settle()
    assert.is(onDisk(1), 2)
  },
)

places('a thread that has begun a half rings when its record is durable', () => {
  const { engine, write, journal } = bench(8)
  for (let i = 1; i <= 4; i++) {
    write(i, i)
    engine.client.flushSync()
  }
  const bell = () => engine.context.words[Header.bell]!
  let whileWriting = 0
  journal.before = () => {
    whileWriting = bell()
  }
  write(9, 9)
  engine.client.flushSync()
  assert.ok(bell() > whileWriting, 'nothing else would begin to write the older half in place')
  engine.stepFlusher()
  assert.ok(engine.stepWriter(0))
})

places('records wait while both halves are full, and a write in place lets them go on', () => {
  const { engine, write } = bench(4)
  for (let i = 0; i < 40; i++) {
    write(i % 8, i)
    engine.client.flushSync()
  }
  engine.client.kick()
  engine.settle()
  assert.is(engine.client.stats().blocks.dirty, 0)
  assert.equal(engine.checkQuiet(), [])
})

places(
  'stopRecords leaves nothing that the journal is needed for, and flushes wait for resumeRecords',
  () => {
    const { engine, write, onDisk } = bench()
    const guard = engine.client.partition('data').acquireSync(7, 'modify')
    write(3, 7)
    write(4, 7)
    engine.client.flushSync()
    write(4, 8)
    runSync(stopRecords(engine.context, 0), true)
    assert.equal([onDisk(3), onDisk(4)], [7, 8])
    const half = newestHalf(engine.context, 0)
    guard.data.fill(1)
    guard.markDirty()
    guard.release()
    engine.client.kick()
    engine.settle()
    assert.is(newestHalf(engine.context, 0), half)
    assert.is(onDisk(7), 0, 'it needs a record first')
    resumeRecords(engine.context, 0)
    engine.client.flushSync()
  },
)

const failures = suite('failures')

failures(
  'a journal that cannot be written fences, names the journal, and nothing is written in place',
  () => {
    const { engine, write, journal, data } = bench()
    write(3, 7)
    journal.before = () => {
      throw EIO()
    }
    assert.throws(
      () => engine.client.flushSync(),
      (error: { code: string; message: string }) =>
        error.code === 'ERR_DCACHE_FENCED' && error.message.includes('the journal journal of main'),
    )
    assert.equal(
      engine.events.map(({ kind }) => kind),
      ['fenced'],
    )
    assert.is(engine.client.stats().fences, 1)
    engine.client.kick()
    engine.settle()
    assert.is(data.written[3 * BLOCK], 0)
    journal.before = undefined
    engine.retry('data')
    assert.is(data.durable[3 * BLOCK], 7, 'a retry ends when the blocks are in place')
    assert.equal(
      engine.events.map(({ kind }) => kind),
      ['fenced', 'restored'],
    )
  },
)

failures('a record whose sync failed is written again at the same place', async () => {
  const { engine, write, journal, records: recordsIn } = bench()
  write(1, 1)
  engine.client.flushSync()
  const written: number[] = []
  let fails = true
  journal.before = (call) => {
    if (call.kind === 'write') written.push(call.position)
    if (call.kind === 'sync' && fails) throw EIO()
  }
  write(2, 2)
  assert.throws(() => engine.client.flushSync())
  write(3, 3)
  fails = false
  engine.retry('data')
  assert.is(written[0], written[1])
  assert.equal((await recordsIn())[0], [[1], [2, 3]])
})

failures(
  'a failure in place fences the partition; what was flushed stays flushed, later flushes fail',
  () => {
    const { engine, write, data } = bench()
    write(1, 1)
    engine.client.flushSync()
    data.before = ({ kind }) => {
      if (kind === 'sync') throw EIO()
    }
    engine.client.kick()
    engine.settle()
    assert.equal(
      engine.events.map(({ kind }) => kind),
      ['fenced'],
    )
    engine.client.flushSync()
    write(2, 2)
    assert.throws(
      () => engine.client.flushSync(),
      (error: { code: string; message: string }) =>
        error.code === 'ERR_DCACHE_FENCED' && error.message.includes("class 'place'"),
    )
    assert.equal(
      lostBlocks(engine.context).map(({ block, writeClass }) => [block, writeClass]),
      [[2, 'journal']],
    )
    data.before = undefined
    engine.retry('data')
    assert.equal([data.durable[BLOCK], data.durable[2 * BLOCK]], [1, 2])
    assert.equal(engine.checkQuiet(), [])
  },
)

failures('a retry of one partition does not wait for another one that stays fenced', () => {
  const other = new MemoryDevice(64 * BLOCK)
  const { engine, write } = bench(8, {
    partitions: {
      data: { device: new MemoryDevice(64 * BLOCK), blockSize: BLOCK, group: 'main' },
      other: { device: other, blockSize: BLOCK, group: 'main' },
    },
  })
  const fails = () => {
    throw EIO()
  }
  write(1, 1)
  engine.client.partition('other').writeSync(new Uint8Array(BLOCK).fill(1), BLOCK)
  engine.client.flushSync()
  other.before = ({ kind }) => {
    if (kind === 'sync') fails()
  }
  engine.client.kick()
  engine.settle()
  assert.throws(() => {
    engine.retry('other')
  }, /FENCED|EIO/)
  other.before = undefined
  engine.retry('other')
  assert.is(other.durable[BLOCK], 1)
})

records.run()
places.run()
failures.run()
