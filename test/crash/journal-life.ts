/**
 * A group with a journal on disks that forget, from its first start through crashes at any step: rounds write records with the
 * functions of the engine, blocks are written in place in the meantime, calls fail, recovery is stopped at any call, and so is
 * closing. After every recovery the partitions must hold one cut, not older than the last acknowledged one.
 *
 * The order in which the flush worker calls these functions is a driver of this file, with mistakes that can be asked for.
 */
import type * as Header from '#dist/core/journal/file-header.js'
import type * as Owner from '#dist/core/journal/owner-writes.js'
import type * as Record from '#dist/core/journal/record.js'
import type * as Recover from '#dist/core/journal/recover.js'
import type * as Scan from '#dist/core/journal/scan.js'
import { Random } from './random.js'
import { fillSector, SECTOR, sectorVersions } from './sectors.js'
import { ForgetfulFile, Machine, Stopped } from './journal-disk.js'
import { encodeRecord } from '../support/records.js'

export interface JournalFunctions {
  readonly record: typeof Record
  readonly scan: typeof Scan
  readonly recover: typeof Recover
  readonly owner: typeof Owner
  readonly header: typeof Header
}

export type Mistake =
  | 'no-sync-of-the-journal'
  | 'in-place-before-the-sync'
  | 'half-reused-too-early'
  | 'retry-in-the-other-half'
  | 'retry-behind-the-failed-one'
  | 'half-free-before-the-partitions-are-synced'
  | 'failed-sync-of-the-partitions-ignored'
  | 'changed-block-in-place'
  | 'failed-record-counts-as-journaled'

/** So long a name that the header of a record is several sectors, with the keys in the second. */
const LONG = 'b'.repeat(400)

const PARTITIONS = [
  { name: LONG, blockSize: 1024, blocks: 6, offset: 1024, isMarked: true },
  { name: 'a', blockSize: 512, blocks: 4, offset: 0, isMarked: true },
] as const
const KEYS = PARTITIONS.flatMap(({ blocks }, partition) =>
  Array.from({ length: blocks }, (_, block) => ({ partition, block })),
)
/** Two records of three pages, or three of two, or something in between that leaves a rest. */
const HALF_BYTES = 6 * 4096
const FILE = { id: Uint8Array.from({ length: 16 }, (_, i) => i ^ 0x5a), halfBytes: HALF_BYTES }

/** A version of each block, in the order of `KEYS`. */
type Cut = readonly number[]

/** Of a half: the journaled versions of the keys that it owes. A key is owed by the half that has its newest record. */
type Owed = Map<number, number>

/** What the disks may hold: the cuts of this life, and the number of the last acknowledged one. */
interface History {
  readonly cuts: Cut[]
  acked: number
}

export interface Verdict {
  readonly problem: string | undefined
  /** How many images after a crash were judged. */
  readonly images: number
  readonly records: number
}

const blockOf = (key: number, version: number): Uint8Array => {
  const { partition, block } = KEYS[key]!
  const data = new Uint8Array(PARTITIONS[partition]!.blockSize)
  if (version > 0)
    for (let sector = 0; sector < data.length / SECTOR; sector++)
      fillSector(data, partition, block, sector, version)
  return data
}

const placeOf = (key: number): number => {
  const { partition, block } = KEYS[key]!
  const { offset, blockSize } = PARTITIONS[partition]!
  return offset + block * blockSize
}

/** The files of the group. */
class Disks {
  readonly machine: Machine
  readonly journal: ForgetfulFile
  readonly parts: readonly ForgetfulFile[]

  constructor(random: Random, images: readonly Uint8Array[]) {
    this.machine = new Machine(random)
    const [journal, ...parts] = images.map((image) => new ForgetfulFile(this.machine, image))
    this.journal = journal!
    this.parts = parts
  }

  afterCrash(random: Random): Disks {
    return new Disks(
      random,
      [this.journal, ...this.parts].map((file) => file.afterCrash(random)),
    )
  }

  versionOf(key: number): string {
    const { partition, block } = KEYS[key]!
    const at = placeOf(key)
    const data = this.parts[partition]!.contents.slice(at, at + PARTITIONS[partition]!.blockSize)
    return [...new Set(sectorVersions(data, partition, block))].join('/')
  }
}

class Life {
  readonly #f: JournalFunctions
  readonly #mistake: Mistake | undefined
  readonly #random: Random
  readonly #disks: Disks
  readonly history: History
  readonly #memory: number[]
  readonly #journaled: number[]
  readonly #owed: readonly [Owed, Owed] = [new Map(), new Map()]
  #next: Record.RecordPlace
  /** The half of the newest durable record. */
  #newest: 0 | 1
  #isWriting = false
  records = 0

  constructor(
    f: JournalFunctions,
    mistake: Mistake | undefined,
    disks: Disks,
    start: Cut,
    next: Record.RecordPlace,
  ) {
    this.#f = f
    this.#mistake = mistake
    this.#disks = disks
    this.#random = disks.machine.random
    this.history = { cuts: [start], acked: 0 }
    this.#memory = [...start]
    this.#journaled = [...start]
    this.#next = next
    this.#newest = next.half === 0 ? 1 : 0
  }

  get isClean(): boolean {
    const { acked, cuts } = this.history
    return (
      !this.#isWriting &&
      this.#owed.every(({ size }) => size === 0) &&
      acked === cuts.length - 1 &&
      this.#memory.every((version, key) => version === this.#journaled[key])
    )
  }

  /** Commits, rounds and writes in place, in any order, for up to `steps` steps. */
  async run(steps: number): Promise<void> {
    let round: AsyncGenerator<undefined> | undefined
    let placing: AsyncGenerator<undefined> | undefined
    for (let step = 0; step < steps; step++) {
      const what = this.#random.below(5)
      if (what === 0) this.#commit()
      else if (what <= 2) {
        round ??= this.#round()
        if ((await round.next()).done === true) round = undefined
      } else {
        placing ??= this.#place()
        if ((await placing.next()).done === true) placing = undefined
      }
    }
  }

  /** Until nothing is to be written any more. */
  async settle(): Promise<void> {
    this.#disks.machine.faults = 0
    while (!this.isClean) {
      for await (const _ of this.#round());
      for await (const _ of this.#place());
    }
  }

  async close(): Promise<void> {
    await this.#f.owner.eraseRecords(this.#disks.journal, FILE, this.#newest)
  }

  #commit(): void {
    const count = 1 + this.#random.below(3)
    for (let i = 0; i < count; i++) this.#memory[this.#random.below(KEYS.length)]!++
  }

  async *#round(): AsyncGenerator<undefined> {
    const keys = KEYS.flatMap((_, key) => (this.#memory[key] === this.#journaled[key] ? [] : [key]))
    if (keys.length === 0) return
    const cut = [...this.#memory]
    const versions = new Map(keys.map((key) => [key, cut[key]!]))
    const { place, record } = this.#encode(versions)
    const isBegun = place.half !== this.#next.half
    if (isBegun && this.#owed[place.half].size > 0 && this.#mistake !== 'half-reused-too-early') return
    const cutNumber = this.history.cuts.push(cut) - 1
    this.#isWriting = true
    this.#next = place
    try {
      yield
      await this.#disks.journal.write(record, this.#f.header.halfAt(FILE, place.half) + place.at)
      this.records++
      if (this.#mistake === 'in-place-before-the-sync') this.#owe(place, versions)
      yield
      if (this.#mistake !== 'no-sync-of-the-journal') await this.#disks.journal.sync()
      this.#owe(place, versions)
      for (const key of keys) this.#journaled[key] = cut[key]!
      this.history.acked = cutNumber
      this.#newest = place.half
      this.#next = this.#f.recover.placeBehind(place, record.length)
    } catch (error) {
      if (error instanceof Stopped) throw error
      if (this.#mistake === 'retry-in-the-other-half')
        this.#next = this.#f.recover.placeFor({ ...place, at: HALF_BYTES }, 1, FILE)
      if (this.#mistake === 'retry-behind-the-failed-one')
        this.#next = { ...this.#f.recover.placeBehind(place, record.length), number: place.number }
      if (this.#mistake === 'failed-record-counts-as-journaled')
        for (const key of keys) this.#journaled[key] = cut[key]!
    } finally {
      this.#isWriting = false
    }
  }

  #owe({ half }: Record.RecordPlace, versions: ReadonlyMap<number, number>): void {
    for (const [key, version] of versions) {
      this.#owed[half].set(key, version)
      this.#owed[half === 0 ? 1 : 0].delete(key)
    }
  }

  /** A record, and where it goes. */
  #encode(versions: ReadonlyMap<number, number>) {
    const { planRecord } = this.#f.record
    const list = [...versions.keys()]
    const keys = {
      partitions: list.map((key) => KEYS[key]!.partition),
      blocks: list.map((key) => KEYS[key]!.block),
    }
    const plan = planRecord(PARTITIONS, keys)
    const place = this.#f.recover.placeFor(this.#next, plan.bytes, FILE)
    // One write of whole sectors; what is behind the images is of an earlier record.
    const record = new Uint8Array(Math.ceil(plan.bytes / SECTOR) * SECTOR)
    list.forEach((key, i) => record.set(blockOf(key, versions.get(key)!), plan.positions[i]))
    const identity = { id: FILE.id, ...place }
    encodeRecord(record.subarray(0, plan.bytes), identity, PARTITIONS, keys, plan, this.#f.record)
    return { place, record }
  }

  /**
   * Writes what the halves owe in place, and syncs. From memory, if the block was not changed since; the image of a block that
   * the older half owes is kept from the first record of the half in use on.
   */
  async *#place(): AsyncGenerator<undefined> {
    const placed = new Map<number, number>()
    try {
      for (const half of [0, 1] as const)
        for (const [key, version] of [...this.#owed[half]]) {
          const isKept = half !== this.#next.half && this.#next.at > 0
          const isChanged = this.#mistake === 'changed-block-in-place'
          if (this.#memory[key] !== version && !isKept && !isChanged) continue
          placed.set(key, version)
          const image = blockOf(key, isChanged ? this.#memory[key]! : version)
          await this.#disks.parts[KEYS[key]!.partition]!.write(image, placeOf(key))
          yield
        }
      if (this.#mistake !== 'half-free-before-the-partitions-are-synced')
        for (const part of this.#disks.parts) await part.sync()
    } catch (error) {
      if (error instanceof Stopped) throw error
      if (this.#mistake !== 'failed-sync-of-the-partitions-ignored') return // all of it again
    }
    for (const owed of this.#owed)
      for (const [key, version] of placed) if (owed.get(key) === version) owed.delete(key)
  }
}

/** Runs lives from this seed until this many images were judged, or one is wrong. */
export async function runJournal(
  f: JournalFunctions,
  mistake: Mistake | undefined,
  seed: number,
  imagesMax: number,
): Promise<Verdict> {
  const random = new Random(seed)
  let images = 0
  let records = 0
  let told = ''

  const targetsOf = (disks: Disks) =>
    new Map(
      PARTITIONS.map((partition, i) => [
        partition.name,
        {
          ...partition,
          isReadOnly: false,
          isDirect: false,
          storage: disks.parts[i]!,
          failed: (error: unknown) => error as never,
        },
      ]),
    )

  /** Recovers, with stops on the way. Returns the disks of the last attempt, and where the next record goes. */
  const recover = async (from: Disks) => {
    let disks = from
    for (let stops = random.below(3); ; stops--) {
      if (stops > 0) disks.machine.callsLeft = random.below(12)
      try {
        const halves = await f.scan.scanJournal(disks.journal, FILE)
        const order = f.recover.replayOrder('the journal', halves)
        f.recover.assertBelongs('the journal', order, targetsOf(disks))
        await f.recover.replay('the journal', disks.journal, FILE, order, targetsOf(disks))
        await f.owner.eraseTorn(disks.journal, FILE, halves)
        disks.machine.callsLeft = Infinity
        told = halves
          .map(({ records, torn }) =>
            [...records.map(({ number }) => number), ...(torn ? ['torn'] : [])].join(' '),
          )
          .join(', ')
        return { disks, next: f.recover.placeAfter(order) }
      } catch (error) {
        // An error of recovery names the system's; the machine has stopped in the middle of it.
        if (!(error instanceof Stopped) && !((error as Error).cause instanceof Stopped)) throw error
        disks = disks.afterCrash(random)
      }
    }
  }

  /** The cut that is found; undefined if there is none, or if it is older than what was acknowledged. */
  const judge = (disks: Disks, { cuts, acked }: History): Cut | undefined => {
    images++
    const found = KEYS.map((_, key) => disks.versionOf(key))
    return cuts.slice(acked).find((cut) => cut.every((version, key) => String(version) === found[key]))
  }

  const wrong = (disks: Disks, { cuts, acked }: History): Verdict => ({
    problem:
      `seed ${seed}, image ${images}: the halves held ${told}; the blocks are versions ${KEYS.map((_, key) => disks.versionOf(key)).join(' ')}; ` +
      `the last acknowledged cut ${cuts[acked]!.join(' ')}, later ones ${cuts
        .slice(acked + 1)
        .map((cut) => cut.join(' '))
        .join('; ')}`,
    images,
    records,
  })

  while (images < imagesMax) {
    const partBytes = PARTITIONS.map(
      ({ offset, blocks, blockSize }) => new Uint8Array(offset + blocks * blockSize),
    )
    let disks = new Disks(random, [new Uint8Array(f.header.fileBytesOf(HALF_BYTES)), ...partBytes])
    await f.owner.createJournal(disks.journal, FILE)
    let start: Cut = KEYS.map(() => 0)
    let next: Record.RecordPlace = { number: 1, half: 0, at: 0, turn: 1 }
    for (let lives = 2 + random.below(4); lives > 0; lives--) {
      disks.machine.faults = random.pick([0, 0, 0.05, 0.2])
      const life = new Life(f, mistake, disks, start, next)
      await life.run(random.below(60))
      records += life.records
      if (random.chance(0.25)) {
        await life.settle()
        if (random.chance(0.7)) disks.machine.callsLeft = random.below(5)
        const isClosed = await life.close().then(() => true, (error: unknown) => (error instanceof Stopped ? false : Promise.reject(error as Error))) // prettier-ignore
        disks.machine.callsLeft = Infinity
        if (isClosed) {
          // Another program changes the files. Nothing may be written over that.
          const key = random.below(KEYS.length)
          const cut = life.history.cuts.at(-1)!.map((version, i) => (i === key ? version + 1000 : version))
          const part = disks.parts[KEYS[key]!.partition]!
          await part.write(blockOf(key, cut[key]!), placeOf(key))
          await part.sync()
          life.history.acked = life.history.cuts.push(cut) - 1
        }
      }
      // Several crashes at this moment, of which one goes on.
      for (let crashes = 1 + random.below(4); crashes > 0; crashes--) {
        const recovered = await recover(disks.afterCrash(random))
        const cut = judge(recovered.disks, life.history)
        if (cut === undefined) return wrong(recovered.disks, life.history)
        // A crash right after recovery, before anything else is written.
        if (random.chance(0.3)) {
          const again = await recover(recovered.disks.afterCrash(random))
          if (judge(again.disks, { cuts: [cut], acked: 0 }) === undefined)
            return wrong(again.disks, { cuts: [cut], acked: 0 })
        }
        if (crashes > 1) continue
        disks = recovered.disks
        start = cut
        next = recovered.next
      }
    }
  }
  return { problem: undefined, images, records }
}
