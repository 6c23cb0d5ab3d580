/**
 * Tests of the judge itself, with handwritten logs in which a crash does or does not break a promise.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CrashWalk, type Finding } from './crash-points.js'
import { KIND, type Kind, type LogRecord, type RecordFields } from './log.js'
import { type Scenario, WRITE_ORDER } from './scenario.js'
import { cutDown, tell } from './story.js'

const DATA = 1
const DIRECTORY = 2

const scenario: Scenario = {
  seed: 1,
  disks: ['a', 'b'].map((name) => ({ name, blockSize: 1024, blocks: 2, group: 'main' })),
  frames: 8,
  policy: 'lru2',
  dirtyLimit: 1,
  dirtyBackground: 1,
  flushDelayMs: 1,
  clients: 1,
  operations: 0,
  pauses: 0,
  classChanges: 0,
  holds: 0,
  patienceMs: 0,
}

/** Writes a log; every step returns the number of its record. */
class Script {
  readonly records: LogRecord[] = []

  add(kind: Kind, fields: RecordFields = {}): number {
    const seq = this.records.length
    const none = { partition: -1, block: -1, value: 0, extra: 0, mask: 0, sectors: [] }
    this.records.push({ seq, kind, thread: 0, ...none, ...fields })
    return seq
  }

  change(partition: number, block: number, version: number, writeClass: number, mask = 0b11): void {
    this.add(KIND.RELEASE, { partition, block, value: version, extra: writeClass, mask })
    this.add(KIND.RELEASED, { partition, block, value: version })
  }

  write(partition: number, block: number, sectors: readonly number[]): void {
    this.add(KIND.WRITE, { partition, block, sectors })
  }

  sync(partition: number, kind: Kind = KIND.SYNC_OK): void {
    this.add(kind, { partition, value: this.add(KIND.SYNC_BEGIN, { partition }) })
  }

  acknowledge(partition = -1, extra = 0): void {
    this.add(KIND.ACK, { partition, value: this.add(KIND.FLUSH, { partition, extra }), extra })
  }

  judge(): Finding | undefined {
    return new CrashWalk(scenario, this.records, { samples: 20, completeUpTo: 6, seen: new Set() }).run()
  }
}

/** A change of a data block and one of a directory block that depends on it. */
function dependent(): Script {
  const script = new Script()
  script.change(0, 0, 1, DATA)
  script.change(1, 0, 1, DIRECTORY)
  return script
}

test('writes in the promised order break no promise', () => {
  const script = dependent()
  script.write(0, 0, [1, 1])
  script.sync(0)
  script.write(1, 0, [1, 1])
  script.sync(1)
  script.acknowledge()
  assert.is(script.judge(), undefined)
})

test('a write of a later class before the sync of the earlier one is found', () => {
  const script = dependent()
  script.write(0, 0, [1, 1])
  script.write(1, 0, [1, 1])
  script.sync(0)
  const finding = script.judge()!
  assert.is(finding.kind, 'order')
  assert.equal(
    finding.survivors.map(({ write }) => write.partition),
    [1],
  )
  const story = tell(cutDown({ scenario, records: script.records }, finding), finding)
  assert.match(story, 'block 0 of a lacks version 1')
  assert.match(story, WRITE_ORDER[DIRECTORY - 1]!)
})

test('neither a failed sync nor the next one makes the earlier writes durable', () => {
  const script = dependent()
  script.write(0, 0, [1, 1])
  script.sync(0, KIND.SYNC_FAILED)
  script.sync(0)
  script.write(1, 0, [1, 1])
  assert.is(script.judge()?.kind, 'order')

  const again = dependent()
  again.write(0, 0, [1, 1])
  again.sync(0, KIND.SYNC_FAILED)
  again.write(0, 0, [1, 1])
  again.sync(0)
  again.write(1, 0, [1, 1])
  assert.is(again.judge(), undefined)
})

test('a sync does not cover a write that began after it', () => {
  const script = dependent()
  const value = script.add(KIND.SYNC_BEGIN, { partition: 0 })
  script.write(0, 0, [1, 1])
  script.add(KIND.SYNC_OK, { partition: 0, value })
  script.write(1, 0, [1, 1])
  assert.is(script.judge()?.kind, 'order')
})

test('an acknowledged change must be durable, one that only a flush of another disk covers need not', () => {
  const script = new Script()
  script.change(0, 1, 1, DATA)
  script.write(0, 1, [1, 1])
  script.acknowledge(1)
  assert.is(script.judge(), undefined)
  script.acknowledge(0)
  assert.is(script.judge()?.kind, 'acknowledged')
})

test('a flush through a class promises the changes of that class and of those before it', () => {
  for (const [writeClass, isPromised] of [
    [DATA, true],
    [DIRECTORY, true],
    [DIRECTORY + 1, false],
  ] as const) {
    const script = new Script()
    script.change(0, 1, 1, writeClass)
    script.acknowledge(-1, DIRECTORY)
    assert.is(script.judge()?.kind, isPromised ? 'acknowledged' : undefined)
  }
})

test('a change is no precondition of another that began before its release', () => {
  const script = new Script()
  script.add(KIND.RELEASE, { partition: 0, block: 0, value: 1, extra: DATA, mask: 0b11 })
  script.change(1, 0, 1, DIRECTORY)
  script.add(KIND.RELEASED, { partition: 0, block: 0, value: 1 })
  script.write(1, 0, [1, 1])
  assert.is(script.judge(), undefined)
})

test('an image of an earlier class keeps the preconditions of an older change of a later class in it', () => {
  const script = dependent()
  script.change(1, 0, 2, DATA)
  script.write(1, 0, [2, 2])
  assert.is(script.judge()?.kind, 'order')
})

test('any part of a change needs its precondition, and needs all of it', () => {
  const script = new Script()
  script.change(0, 0, 1, DATA, 0b01)
  script.change(1, 0, 1, DIRECTORY, 0b10)
  script.write(0, 0, [1, 0])
  script.sync(0)
  script.write(1, 0, [0, 1])
  assert.is(script.judge(), undefined)

  const torn = dependent()
  torn.add(KIND.WRITE_FAILED, { partition: 0, block: 0, sectors: [1, 1] })
  torn.sync(0)
  torn.write(1, 0, [1, 1])
  assert.is(torn.judge()?.kind, 'order')
})

test('unreleased bytes and images mixed from two versions are found', () => {
  const early = new Script()
  early.write(0, 0, [1, 1])
  assert.is(early.judge()?.kind, 'unreleased')
  const broken = dependent()
  broken.write(0, 0, [1, -1])
  assert.is(broken.judge()?.kind, 'unreleased')
  const mixed = dependent()
  mixed.change(0, 0, 2, DATA)
  mixed.write(0, 0, [1, 2])
  assert.is(mixed.judge()?.kind, 'unreleased')
})

test.run()
