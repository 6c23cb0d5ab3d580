/**
 * The whole engine in one thread (../support/inline-engine.ts) over a group with a journal, on disks that forget. Clients commit, hold
 * guards over cuts, discard and flush; the flush worker and the writers go on one step at a time, in any order; calls fail, and
 * fences are retried; the journal is emptied now and then, as the owner does. At any call of a disk, images are made that a crash
 * could leave, and recovered as `openCache` does it, which may be stopped at any call as well. Then the partitions must hold
 * exactly one cut: what was committed up to some moment, not before the last flush that returned, and nothing of what came later.
 */
// First: it must see every sleep of the engine.
import { type InlineDevice, InlineEngine, JOURNAL_ID, StuckError } from '../support/inline-engine.js'
import { newestHalf, placeAnew, placeUnderWay } from '#dist/core/journal/place.js'
import { eraseRecords, eraseTorn } from '#dist/core/journal/owner-writes.js'
import { placeAfter, type RecoveryTarget, replay, replayOrder } from '#dist/core/journal/recover.js'
import { type FileHeader, fileBytesOf } from '#dist/core/journal/file-header.js'
import type { RecordPlace } from '#dist/core/journal/record.js'
import { scanJournal } from '#dist/core/journal/scan.js'
import { resumeRecords, stopRecords } from '#dist/core/changes/stop-records.js'
import type { BlockGuard } from '#dist/shared/interface.js'
import { Fence, Partition } from '#dist/shared/words.js'
import { ForgetfulFile, Machine, Stopped } from './journal-disk.js'
import { Random } from './random.js'
import { fillSector, scribble, SECTOR, sectorVersions } from './sectors.js'

const PARTITIONS = [
  { name: 'tree', blockSize: 4096, blocks: 9 },
  { name: 'log', blockSize: 1024, blocks: 6 },
  { name: 'tail', blockSize: 512, blocks: 5 },
] as const
const GROUP = 0

/** The sectors of all blocks, one after the other. */
const BLOCKS = PARTITIONS.flatMap(({ blocks, blockSize }, partition) =>
  Array.from({ length: blocks }, (_, block) => ({ partition, block, sectors: blockSize / SECTOR })),
)
const FIRST = BLOCKS.map((_, i) => BLOCKS.slice(0, i).reduce((sum, { sectors }) => sum + sectors, 0))
const SECTORS = BLOCKS.reduce((sum, { sectors }) => sum + sectors, 0)

/** The version of each sector: the number of the commit that wrote it last. */
type Versions = Int32Array

export interface JournaledOptions {
  readonly firstSeed: number
  readonly images: number
  /** The shares of calls at which a crash is looked at, for one life or another. */
  readonly looks?: readonly number[]
}

export interface JournaledVerdict {
  readonly problem: string | undefined
  /** Different images that were judged. */
  readonly images: number
  readonly lives: number
  readonly records: number
}

/** The files of the group: those of the partitions, then the journal. */
class Disks {
  readonly machine: Machine
  readonly files: readonly ForgetfulFile[]

  constructor(random: Random, images: readonly Uint8Array[]) {
    this.machine = new Machine(random)
    this.files = images.map((image) => new ForgetfulFile(this.machine, image))
  }

  get journal(): ForgetfulFile {
    return this.files[PARTITIONS.length]!
  }

  afterCrash(random: Random): Uint8Array[] {
    return this.files.map((file) => file.afterCrash(random))
  }

  versions(): Versions {
    const versions = new Int32Array(SECTORS)
    BLOCKS.forEach(({ partition, block }, i) => {
      const { blockSize } = PARTITIONS[partition]!
      const data = this.files[partition]!.contents.slice(block * blockSize, (block + 1) * blockSize)
      versions.set(sectorVersions(data, partition, block), FIRST[i])
    })
    return versions
  }
}

/** A partition's file as the engine uses it, and the journal's. `called` before each call. */
function deviceOf(file: ForgetfulFile, sizeBytes: number, called: () => void): InlineDevice {
  return {
    sizeBytes,
    readSync(targets, position) {
      let at = position
      for (const target of targets) {
        target.set(file.contents.subarray(at, at + target.length))
        at += target.length
      }
    },
    async read(targets, position) {
      this.readSync(targets, position)
    },
    writeSync(sources, position) {
      called()
      let at = position
      for (const source of sources) {
        file.writeNow(source, at)
        at += source.length
      }
    },
    syncSync() {
      called()
      file.syncNow()
    },
  }
}

/** What a life leaves to the next one: its disks after a crash, where the next record goes, and what the blocks hold. */
interface Inheritance {
  readonly images: readonly Uint8Array[]
  readonly place: RecordPlace
}

/** Writes the records in place again, as the owner does. Stops at any call if the machine does. */
async function recover(disks: Disks, file: FileHeader): Promise<RecordPlace> {
  const what = 'the journal'
  const halves = await scanJournal(disks.journal, file)
  const records = replayOrder(what, halves)
  const targets = new Map<string, RecoveryTarget>(
    PARTITIONS.map(({ name, blockSize, blocks }, i) => [
      name,
      {
        name,
        blockSize,
        blocks,
        offset: 0,
        isMarked: false,
        isReadOnly: false,
        isDirect: false,
        storage: disks.files[i]!,
        failed: (error) => error as never,
      },
    ]),
  )
  await replay(what, disks.journal, file, records, targets)
  await eraseTorn(disks.journal, file, halves)
  return placeAfter(records)
}

/** What a crash left, how much was acknowledged by then, and how many cuts there were. */
interface Crash {
  readonly images: readonly Uint8Array[]
  readonly acked: number
  readonly cuts: number
}

/** A group from an opening to an orderly end, with crashes on the way that are looked at, and do not happen. */
class Life {
  readonly #random: Random
  readonly #disks: Disks
  readonly #engine: InlineEngine
  readonly #file: FileHeader
  /** What the sectors hold after each commit; at 0 what they held at first. */
  readonly #cuts: { readonly number: number; readonly versions: Versions }[]
  #number: number
  #acked = 0
  readonly #held = new Map<number, BlockGuard>()
  /** What crashes could leave, until they are judged. */
  readonly crashes: Crash[] = []
  /** The share of calls of a disk at which a crash is looked at. */
  readonly #looks: number
  /** The share of steps that are commits, in addition. */
  readonly #commits: number

  constructor(random: Random, file: FileHeader, { images, place }: Inheritance, looks: number) {
    this.#random = random
    this.#file = file
    this.#disks = new Disks(random, images)
    this.#looks = looks
    this.#commits = random.pick([0, 0, 0.4, 0.8])
    const versions = this.#disks.versions()
    this.#number = Math.max(0, ...versions)
    this.#cuts = [{ number: this.#number, versions }]
    this.#engine = new InlineEngine({
      blocks: random.pick([12, BLOCKS.length, 40]),
      dirtyLimit: random.pick([0.4, 0.9]),
      dirtyBackground: random.pick([0.2, 0.6, 1]),
      writeBytes: random.pick([512, 4096, 16384, 65536]),
      partitions: Object.fromEntries(
        PARTITIONS.map(({ name, blockSize, blocks }, i) => [
          name,
          { blockSize, group: 'main', device: this.#device(this.#disks.files[i]!, blockSize * blocks) },
        ]),
      ),
      journals: {
        main: { device: this.#device(this.#disks.journal, 0), halfBytes: file.halfBytes, place },
      },
    })
  }

  #device(file: ForgetfulFile, sizeBytes: number): InlineDevice {
    return deviceOf(file, sizeBytes, () => {
      this.#look()
    })
  }

  /** A crash may come before this call. */
  #look(): void {
    if (!this.#random.chance(this.#looks)) return
    this.crashes.push({
      images: this.#disks.afterCrash(this.#random),
      acked: this.#acked,
      cuts: this.#cuts.length,
    })
  }

  /** How many records were begun, about. */
  get records(): number {
    return placeUnderWay(this.#engine.context, GROUP).number
  }

  /** `judged` is called when there are many crashes. Ends with an orderly end, or throws what is wrong. */
  async run(steps: number, faults: number, judged: () => Promise<void>): Promise<void> {
    this.#disks.machine.faults = faults
    for (let step = 0; step < steps; step++) {
      await this.#try(() => this.#step())
      if (this.crashes.length > 20) await judged()
    }
    // Whatever was held, and however often it failed: in the end all is durable, and clean.
    this.#disks.machine.faults = 0
    for (const key of [...this.#held.keys()]) this.#endHeld(key)
    let isOver = false
    // What failed before may be told only now.
    for (let attempt = 0; !isOver; attempt++) {
      const end = async () => {
        await this.#end()
        isOver = true
      }
      await (attempt === 5 ? end() : this.#try(end))
    }
    await judged()
    const broken = this.#engine.checkQuiet()
    if (broken.length > 0) throw new Error(`invariants: ${broken.join('; ')}`)
    const found = this.#disks.versions()
    if (!isSame(found, this.#cuts.at(-1)!.versions))
      throw new Error('in the end the files are not as the memory')
  }

  async #end(): Promise<void> {
    this.#flush()
    await this.#empty(0)
  }

  #step(): Promise<void> | void {
    // Where rounds are rare, a record has many blocks, and fills most of a half; all of them do not fit.
    const dice = this.#random.chance(this.#commits) ? 0.6 : this.#random.next()
    if (dice < 0.3) this.#engine.stepFlusher()
    else if (dice < 0.5) this.#stepWriter(this.#random.below(PARTITIONS.length))
    else if (dice < 0.75) this.#commit()
    else if (dice < 0.8) this.#hold()
    else if (dice < 0.87) this.#endHeld(this.#random.pick([...this.#held.keys(), -1]))
    else if (dice < 0.93) this.#flush()
    else if (dice < 0.95) this.#engine.client.kick()
    else if (dice < 0.965) this.#engine.evictClean()
    else if (dice < 0.97) return this.#empty()
    else this.#read()
  }

  /** Other threads may have latched blocks for a moment, so that the writer takes their images later. */
  #stepWriter(partition: number): void {
    const { arena } = this.#engine
    const share = this.#random.pick([0, 0, 0.1, 0.5])
    const frames = Array.from({ length: arena.frames }, (_, frame) => frame).filter(() =>
      this.#random.chance(share),
    )
    this.#engine.stepWriterAmong(partition, frames)
  }

  /** Runs a step. After a failure of a disk its fence is retried. */
  async #try(step: () => Promise<void> | void): Promise<void> {
    try {
      await step()
    } catch (error) {
      // Without a frame that is clean a client waits for the retry, which here no other thread calls.
      const waits = error instanceof StuckError && this.#fenced.length > 0
      if (!waits && !isFailure(error)) throw error
      this.#retry()
    }
  }

  get #fenced(): readonly string[] {
    const { context, arena } = this.#engine
    return context.partitions
      .all()
      .filter(({ index }) => context.words[arena.partitionAt(index) + Partition.fenced] === Fence.FENCED)
      .map(({ name }) => name)
  }

  #retry(): void {
    for (const name of this.#fenced) {
      try {
        this.#engine.retry(name)
      } catch (error) {
        if (!isFailure(error)) throw error
      }
    }
  }

  /** Changes some blocks at one moment; those that are held are left out. */
  #commit(): void {
    const count = this.#random.pick([1, 1, 1, 2, 3, 4])
    const keys = new Set(Array.from({ length: count }, () => this.#random.below(BLOCKS.length)))
    const guards: { key: number; guard: BlockGuard }[] = []
    try {
      for (const key of [...keys].sort((a, b) => a - b)) {
        if (this.#held.has(key)) continue
        const { partition, block } = BLOCKS[key]!
        const guard = this.#engine.client.partition(PARTITIONS[partition]!.name).acquireSync(block, 'modify')
        guards.push({ key, guard })
      }
    } catch (error) {
      for (const { guard } of guards) guard.release()
      throw error
    }
    if (guards.length > 0) this.#finish(guards)
  }

  /** As #commit, where a failure is told by another call. */
  #commitOrWait(): void {
    try {
      this.#commit()
    } catch (error) {
      if (!isFailure(error) && !(error instanceof StuckError)) throw error
    }
  }

  /** Commits guards, whose bytes become those of the next version, in all sectors or in one. */
  #finish(guards: readonly { readonly key: number; readonly guard: BlockGuard }[]): void {
    const number = ++this.#number
    const versions = this.#cuts.at(-1)!.versions.slice()
    for (const { key, guard } of guards) {
      const { partition, block, sectors } = BLOCKS[key]!
      const only = this.#random.chance(0.3) ? this.#random.below(sectors) : -1
      for (let sector = 0; sector < sectors; sector++) {
        if (only >= 0 && sector !== only) continue
        fillSector(guard.data, partition, block, sector, number)
        versions[FIRST[key]! + sector] = number
      }
      guard.markDirty()
    }
    if (guards.length === 1 && this.#random.chance(0.5)) guards[0]!.guard.release()
    else this.#engine.client.commit(...guards.map(({ guard }) => guard))
    this.#cuts.push({ number, versions })
  }

  /** Begins a change that ends later: rounds come in between. */
  #hold(): void {
    const key = this.#random.below(BLOCKS.length)
    // A thread that keeps many blocks leaves no frames for the others.
    if (this.#held.has(key) || this.#held.size > 1) return
    const { partition, block } = BLOCKS[key]!
    const guard = this.#engine.client.partition(PARTITIONS[partition]!.name).tryAcquire(block, 'modify')
    if (guard === undefined) return
    this.#held.set(key, guard)
  }

  #endHeld(key: number): void {
    const guard = this.#held.get(key)
    if (guard === undefined) return
    this.#held.delete(key)
    if (this.#random.chance(0.6)) {
      this.#finish([{ key, guard }])
      return
    }
    for (let sector = 0; sector < BLOCKS[key]!.sectors; sector++) scribble(guard.data, sector, this.#number)
    guard.discard()
  }

  #flush(): void {
    const cut = this.#cuts.length - 1
    this.#engine.client.flushSync()
    this.#acked = Math.max(this.#acked, cut)
  }

  /** Erases the records, as the owner does before a partition goes. */
  async #empty(commits = 0.2): Promise<void> {
    const { context } = this.#engine
    const cut = this.#cuts.length - 1
    // Clients go on in the meantime.
    for (const steps = stopRecords(context, GROUP); steps.next().done !== true;) {
      const dice = this.#random.next()
      if (dice < commits) this.#commitOrWait()
      else if (dice < 0.6) this.#engine.stepFlusher()
      else this.#engine.stepWriter(this.#random.below(PARTITIONS.length))
    }
    this.#acked = cut
    const { journal } = this.#disks
    const storage = {
      read: (target: Uint8Array, position: number) => journal.read(target, position),
      write: (source: Uint8Array, position: number) => {
        this.#look()
        return journal.write(source, position)
      },
      sync: () => {
        this.#look()
        return journal.sync()
      },
    }
    try {
      await eraseRecords(storage, this.#file, newestHalf(context, GROUP))
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EIO') throw error
    } finally {
      placeAnew(context, GROUP)
      resumeRecords(context, GROUP)
    }
  }

  #read(): void {
    const key = this.#random.below(BLOCKS.length)
    if (this.#held.has(key)) return
    const { partition, block } = BLOCKS[key]!
    const guard = this.#engine.client.partition(PARTITIONS[partition]!.name).acquireSync(block, 'read')
    const found = sectorVersions(guard.data, partition, block)
    guard.release()
    const { versions } = this.#cuts.at(-1)!
    if (found.some((version, sector) => version !== versions[FIRST[key]! + sector]))
      throw new Error(`block ${block} of ${PARTITIONS[partition]!.name} is read as ${found.join()}`)
  }

  /** What is wrong with recovered partitions; undefined if they hold a cut that they may hold. */
  judge(found: Versions, { acked: ackedAt, cuts }: Crash): string | undefined {
    const newest = Math.max(0, ...found)
    const acked = this.#cuts[ackedAt]!
    const cut = this.#cuts.slice(0, cuts).findLast(({ number }) => number === newest)
    const isOld = newest < acked.number
    if (isOld) return `commit ${acked.number} was acknowledged, and the newest on the disk is ${newest}`
    if (cut === undefined) return `a version ${newest} was never committed`
    if (isSame(found, cut.versions)) return undefined
    const at = found.findIndex((version, i) => version !== cut.versions[i])
    return `with commit ${newest}, sector ${at} must have version ${cut.versions[at]}, and has ${found[at]}`
  }
}

const isSame = (a: Versions, b: Versions): boolean => a.every((version, i) => version === b[i])

const isFailure = (error: unknown): boolean => {
  const { code } = error as { code?: unknown }
  return code === 'ERR_DCACHE_FENCED' || code === 'ERR_DCACHE_EXHAUSTED'
}

/** Recovers what a crash left, however often recovery is stopped. */
async function recovered(images: readonly Uint8Array[], file: FileHeader, random: Random) {
  let left = images
  for (;;) {
    const disks = new Disks(random, left)
    if (random.chance(0.3)) disks.machine.callsLeft = random.below(30)
    try {
      const place = await recover(disks, file)
      return { disks, place }
    } catch (error) {
      // A failure to read is told with the journal's name, and the system's error as its cause.
      if (!(error instanceof Stopped || (error as Error).cause instanceof Stopped)) throw error
      left = disks.afterCrash(random)
    }
  }
}

/** Runs lives until so many different images were judged, or something is wrong. */
export async function runJournaled({
  firstSeed,
  images: wanted,
  looks = [0.1, 0.4],
}: JournaledOptions): Promise<JournaledVerdict> {
  const seen = new Set<number>()
  let [lives, records] = [0, 0]
  for (let seed = firstSeed; seen.size < wanted; seed++) {
    const random = new Random(seed)
    const file = { id: JOURNAL_ID, halfBytes: random.pick([10, 11, 16, 32]) * 4096 }
    let inheritance: Inheritance = {
      images: [
        ...PARTITIONS.map(({ blockSize, blocks }) => blockSize * blocks),
        fileBytesOf(file.halfBytes),
      ].map((bytes) => new Uint8Array(bytes)),
      place: placeAfter([]),
    }
    // Each life goes on from one of the crashes of the life before.
    for (let i = 0; i < 4; i++) {
      const life = new Life(random, file, inheritance, random.pick(looks))
      let next: Inheritance | undefined
      const judge = async () => {
        for (const crash of life.crashes.splice(0)) {
          seen.add(hashOf(crash.images, seed))
          const { disks, place } = await recovered(crash.images, file, random)
          const problem = life.judge(disks.versions(), crash)
          if (problem !== undefined) throw new Error(problem)
          if (random.chance(0.1))
            next = { images: disks.files.map(({ contents }) => contents.slice()), place }
        }
      }
      try {
        await life.run(400, random.pick([0, 0, 0.02, 0.1]), judge)
      } catch (error) {
        const problem = `seed ${seed}, life ${i}: ${(error as Error).stack ?? String(error)}`
        return { problem, images: seen.size, lives, records }
      }
      lives++
      records += life.records
      inheritance = next ?? inheritance
    }
  }
  return { problem: undefined, images: seen.size, lives, records }
}

/** A hash of 52 bits of some images. */
function hashOf(images: readonly Uint8Array[], salt: number): number {
  let [a, b] = [salt, ~salt]
  for (const image of images) {
    const words = new Int32Array(image.buffer, image.byteOffset, image.length >> 2)
    // Two words tell the contents of a sector of a block; those of a header differ early too.
    for (let i = 0; i < words.length; i += 16) {
      a = Math.imul(a ^ words[i]! ^ Math.imul(words[i + 1]!, 31), 0x01000193) ^ (a >>> 15)
      b = Math.imul(b + words[i]! + Math.imul(words[i + 1]!, 17), 0x85ebca6b) ^ (b >>> 13)
    }
  }
  return (a >>> 0) * 2 ** 20 + (b >>> 12)
}
