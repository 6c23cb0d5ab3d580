/**
 * The effects of failed writes and syncs, step by step, on disks that fail on demand: fences, what continues behind them,
 * repair and retry. Some tests repeat defects of the ancestor's write-back.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { projectRoot } from '../support/project.js'
import { DiskControl, EIO, ENOSPC } from './crash-device.js'
import { CrashWalk, type Finding } from './crash-points.js'
import { loadEngine } from './engine.js'
import { Crew, type OpenCache } from './harness.js'
import { CrashLog, KIND, type Kind, type LogRecord } from './log.js'
import { type DiskPlan, type Scenario, WRITE_ORDER } from './scenario.js'
import { fillSector, SECTOR, sectorVersions } from './sectors.js'

const dist = join(projectRoot, 'dist')
const engine = await loadEngine(dist)
const crew = new Crew(engine, dist)
const test = suite('failures')

type WriteClass = (typeof WRITE_ORDER)[number]

const SCENARIO: Scenario = {
  seed: 1,
  disks: [],
  frames: 64,
  policy: 'lru2',
  dirtyLimit: 0.9,
  dirtyBackground: 1,
  flushDelayMs: 1_000_000,
  clients: 1,
  operations: 0,
  pauses: 0,
  classChanges: 0,
  holds: 0,
  patienceMs: 30_000,
}

const disk = (name: string, group = 'main'): DiskPlan => ({ name, blockSize: 1024, blocks: 16, group })

/** A cache on disks that the test can make fail. Its changes and acknowledgements are logged. */
class Bench {
  readonly cache: OpenCache
  readonly #log: CrashLog
  readonly #versions = new Map<string, number>()

  constructor(cache: OpenCache) {
    this.cache = cache
    this.#log = new CrashLog(cache.setup.log, 0)
  }

  control(partition: number): DiskControl {
    return new DiskControl(this.cache.setup.disks[partition]!)
  }

  /** Changes a whole block; returns its new version. */
  change(partition: number, block: number, writeClass: WriteClass): number {
    const guard = this.#of(partition).acquireSync(block, 'modify', { timeoutMs: 5000 })
    const name = `${partition}/${block}`
    const version = (this.#versions.get(name) ?? 0) + 1
    this.#versions.set(name, version)
    for (let sector = 0; sector < guard.data.length / SECTOR; sector++) {
      fillSector(guard.data, partition, block, sector, version)
    }
    guard.markDirty(writeClass)
    const extra = 1 + WRITE_ORDER.indexOf(writeClass)
    this.#log.append(KIND.RELEASE, { partition, block, value: version, extra, mask: 0b11 })
    guard.release()
    this.#log.append(KIND.RELEASED, { partition, block, value: version })
    return version
  }

  /** The version that a reader finds. */
  read(partition: number, block: number): number {
    const guard = this.#of(partition).acquireSync(block, 'read', { timeoutMs: 5000 })
    const versions = sectorVersions(guard.data, partition, block)
    guard.release()
    assert.is(versions[0], versions[1])
    return versions[0]!
  }

  /** Flushes; returns the error if it was rejected. */
  flush(partition = -1): Failure | undefined {
    const name = this.cache.setup.scenario.disks[partition]?.name
    const value = this.#log.append(KIND.FLUSH, { partition })
    const failure = failureOf(() =>
      this.cache.client.flushSync(name === undefined ? {} : { partition: name }),
    )
    if (failure === undefined) this.#log.append(KIND.ACK, { partition, value })
    return failure
  }

  retry(partition: number): Failure | undefined {
    const value = this.#log.append(KIND.FLUSH, { partition: -1 })
    const { context } = this.cache
    const failure = failureOf(() =>
      engine.runSync(engine.retry(context, context.partitions.at(partition)), true),
    )
    if (failure === undefined) this.#log.append(KIND.ACK, { partition: -1, value })
    return failure
  }

  /** Changes a block; returns the error if it was rejected. */
  changeFailure(partition: number, block: number): Failure | undefined {
    return failureOf(() => this.#of(partition).acquireSync(block, 'modify', { timeoutMs: 5000 }).release())
  }

  records(kind: Kind): LogRecord[] {
    return this.#log.records().filter((record) => record.kind === kind)
  }

  /** `partition/block` of all writes since the last call. */
  written(): string[] {
    const all = this.#log.records().slice(this.#seen)
    this.#seen += all.length
    return all
      .filter(({ kind }) => kind === KIND.WRITE || kind === KIND.WRITE_FAILED)
      .map(({ partition, block }) => `${partition}/${block}`)
  }
  #seen = 0

  get dirty(): number {
    return this.cache.client.stats().dirty
  }

  /** The first possible crash that breaks a promise. */
  crash(): Finding | undefined {
    const options = { samples: 50, completeUpTo: 8, seen: new Set<number>() }
    return new CrashWalk(this.cache.setup.scenario, this.#log.records(), options).run()
  }

  #of(partition: number): ReturnType<OpenCache['client']['partition']> {
    return this.cache.client.partition(this.cache.setup.scenario.disks[partition]!.name)
  }
}

interface Failure {
  readonly code: string
  readonly message: string
  readonly cause?: { readonly code?: string; readonly syscall?: string }
}

function failureOf(call: () => void): Failure | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    return error as Failure
  }
}

function assertFenced(failure: Failure | undefined, name: string, writeClass: string, cause: string): void {
  assert.is(failure?.code, 'ERR_DCACHE_FENCED')
  assert.match(failure?.message ?? '', `'${name}'`)
  assert.match(failure?.message ?? '', `'${writeClass}'`)
  assert.is(failure?.cause?.code, cause)
}

/** A test on a cache of its own. At the end the cache must be sound, and no crash on the way may break a promise. */
function bench(name: string, disks: readonly DiskPlan[], body: (bench: Bench) => void, more = {}): void {
  test(name, async () => {
    const it = new Bench(await crew.open({ ...SCENARIO, ...more, disks }))
    try {
      body(it)
      assert.equal(it.cache.client.check(), [])
      assert.is(it.crash(), undefined)
    } finally {
      assert.equal(await it.cache.close(), [])
    }
  })
}

bench('after a failed write the block stays dirty and readable, and retry writes it', [disk('a')], (it) => {
  it.change(0, 3, 'data')
  it.control(0).failWritesFromNow(EIO)
  assertFenced(it.flush(), 'a', 'data', 'EIO')
  assert.is(it.dirty, 1)
  assert.is(it.read(0, 3), 1)
  assert.is(it.records(KIND.FENCED).length, 1)
  it.control(0).repair()
  // Only retry lifts a fence.
  assertFenced(it.flush(), 'a', 'data', 'EIO')
  assert.is(it.retry(0), undefined)
  assert.is(it.dirty, 0)
  assert.is(it.records(KIND.RESTORED).length, 1)
  assert.is(it.flush(), undefined)
})

bench('a retry that fails again rejects, and the fence stays', [disk('a')], (it) => {
  it.change(0, 3, 'data')
  it.control(0).failWritesFromNow(ENOSPC)
  assertFenced(it.flush(), 'a', 'data', 'ENOSPC')
  assertFenced(it.retry(0), 'a', 'data', 'ENOSPC')
  assert.is(it.records(KIND.FENCED).length, 2)
  assert.is(it.dirty, 1)
  it.control(0).repair()
  assert.is(it.retry(0), undefined)
  assert.is(it.records(KIND.RESTORED).length, 1)
})

bench('after a failed fsync all writes since the last successful one are repeated', [disk('a')], (it) => {
  for (const block of [1, 2, 3]) it.change(0, block, 'data')
  it.control(0).failSyncs({ errno: EIO, first: 0, count: 1 })
  const failure = it.flush()
  assertFenced(failure, 'a', 'data', 'EIO')
  assert.is(failure?.cause?.syscall, 'fsync')
  assert.equal(it.written(), ['0/1', '0/2', '0/3'])
  assert.is(it.dirty, 3)
  assert.is(it.retry(0), undefined)
  assert.equal(it.written(), ['0/1', '0/2', '0/3'])
})

bench('after a failed write the earlier writes of the same job are repeated', [disk('a')], (it) => {
  for (const block of [1, 2, 3]) it.change(0, block, 'data')
  it.control(0).failWrites({ errno: ENOSPC, first: 1, count: 1 })
  assertFenced(it.flush(), 'a', 'data', 'ENOSPC')
  assert.equal(it.written(), ['0/1', '0/2'])
  assert.is(it.retry(0), undefined)
  assert.equal(it.written(), ['0/1', '0/2', '0/3'])
})

const twoAndOne = [disk('a'), disk('b'), disk('c', 'other')]

bench(
  'a failure holds back later classes of its group; classes up to it and other groups continue',
  twoAndOne,
  (it) => {
    it.control(0).failWritesFromNow(EIO)
    it.change(0, 1, 'directory')
    it.change(1, 0, 'data')
    it.change(1, 1, 'directory')
    it.change(1, 2, 'trailer')
    it.change(2, 2, 'trailer')
    assertFenced(it.flush(), 'a', 'directory', 'EIO')
    assert.equal(it.written().sort(), ['0/1', '1/0', '1/1', '2/2'])
    assert.is(it.dirty, 2)

    it.change(1, 3, 'data')
    it.change(1, 4, 'directory')
    it.change(1, 5, 'trailer')
    assertFenced(it.flush(), 'a', 'directory', 'EIO')
    assert.equal(it.written().sort(), ['1/3', '1/4'])

    it.change(2, 4, 'data')
    assert.is(it.flush(2), undefined, 'another group is not affected')
    assert.equal(it.written(), ['2/4'])

    it.control(0).repair()
    assert.is(it.retry(0), undefined)
    assert.equal(it.written().sort(), ['0/1', '1/2', '1/5'])
    assert.is(it.dirty, 0)
  },
)

bench(
  'at the dirty limit behind a fence, a change of a clean block fails with the cause, and reads continue',
  [disk('a')],
  (it) => {
    it.control(0).failWritesFromNow(ENOSPC)
    let block = 0
    let failure: Failure | undefined
    for (; block < 16 && failure === undefined; block++)
      failure = failureOf(() => it.change(0, block, 'data'))
    assertFenced(failure, 'a', 'data', 'ENOSPC')
    assertFenced(it.changeFailure(0, 15), 'a', 'data', 'ENOSPC')
    assert.is(it.read(0, 15), 0)
    assert.is(it.read(0, 0), 1)
    it.control(0).repair()
    assert.is(it.retry(0), undefined)
    it.change(0, 15, 'data')
    assert.is(it.flush(), undefined)
  },
  { frames: 12, dirtyLimit: 0.5 },
)

bench(
  'a disk is fsynced even if its written blocks were evicted and their frames reused since',
  [disk('a'), disk('b')],
  (it) => {
    for (let i = 0; i < 60; i++) {
      it.change(i % 2, i % 16, 'data')
      // More blocks than frames, so that each is soon evicted for a block of the other disk.
      it.read((i + 1) % 2, (i * 7) % 16)
      if (i % 5 === 0) assert.is(it.flush(), undefined)
    }
    assert.is(it.flush(), undefined)
  },
  { frames: 8 },
)

bench(
  'a change whose write failed is never evicted',
  [disk('a')],
  (it) => {
    it.control(0).failWritesFromNow(EIO)
    it.change(0, 1, 'data')
    assertFenced(it.flush(), 'a', 'data', 'EIO')
    for (let round = 0; round < 3; round++) for (let block = 2; block < 16; block++) it.read(0, block)
    engine.evictClean(it.cache.context)
    assert.is(it.read(0, 1), 1)
    it.control(0).repair()
    assert.is(it.retry(0), undefined)
    engine.evictClean(it.cache.context)
    assert.is(it.read(0, 1), 1)
  },
  { frames: 8 },
)

bench('a failed fsync stops the next class, on every disk of the group', [disk('a'), disk('b')], (it) => {
  it.change(0, 1, 'data')
  it.change(1, 1, 'directory')
  it.control(0).failSyncs({ errno: EIO, first: 0, count: 1 })
  assertFenced(it.flush(), 'a', 'data', 'EIO')
  assert.equal(it.written(), ['0/1'])
  assert.is(it.retry(0), undefined)
  assert.equal(it.written(), ['0/1', '1/1'])
})

bench(
  'a thread may flush while it holds a dirty block, which is written as it was before',
  [disk('a')],
  (it) => {
    it.change(0, 1, 'data')
    it.change(0, 2, 'data')
    const guard = it.cache.client.partition('a').acquireSync(1, 'modify')
    guard.data.fill(0xee)
    assert.is(it.flush(), undefined)
    assert.equal(it.written(), ['0/1', '0/2'])
    guard.discard()
    assert.is(it.read(0, 1), 1)
  },
)

bench('a second class on a dirty block keeps the order, and an unknown one is refused', [disk('a')], (it) => {
  it.change(0, 1, 'data')
  it.change(0, 2, 'trailer')
  it.change(0, 1, 'trailer')
  it.change(0, 2, 'data')
  it.change(0, 1, 'directory')
  const guard = it.cache.client.partition('a').acquireSync(1, 'modify')
  assert.is(failureOf(() => guard.markDirty('none'))?.code, 'ERR_DCACHE_UNKNOWN_CLASS')
  guard.discard()
  assert.is(it.flush(), undefined)
})

test.after(() => crew.terminate())
test.run()
