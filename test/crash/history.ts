/**
 * The releases of a run, from its log: the changes of each block, and which other changes must be on a disk that holds a
 * given one.
 *
 * The promise that is checked, sector by sector: if a change B is on disk, even a torn part of it, then every change A of
 * an earlier class, in the same group, whose release returned before B's began, is on disk whole. A sector holds a
 * change if its version is that of the change or newer.
 */
import { KIND, type LogRecord } from './log.js'
import { type Scenario, WRITE_ORDER } from './scenario.js'
import { SECTOR } from './sectors.js'
import { groupsOf } from './setup.js'

const CLASSES = WRITE_ORDER.length

export interface Change {
  readonly version: number
  /** 1 + the index in the write order. */
  readonly writeClass: number
  /** The sectors that the change touched, a bit each. */
  readonly mask: number
  /** When its release began, and when it returned (Infinity: never). */
  readonly begin: number
  end: number
}

/** The versions of a sector in the order in which their releases returned. */
class Releases {
  readonly #ends: number[] = []
  readonly #versions: number[] = []

  constructor(changes: readonly Change[]) {
    let newest = 0
    for (const { end, version } of [...changes].sort((a, b) => a.end - b.end)) {
      newest = Math.max(newest, version)
      this.#ends.push(end)
      this.#versions.push(newest)
    }
  }

  /** The newest version released before `seq`, 0 if none. */
  before(seq: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! < seq) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : this.#versions[low - 1]!
  }
}

export class BlockHistory {
  readonly partition: number
  readonly block: number
  readonly group: number
  /** The index of its first sector among all. */
  readonly firstSector: number
  readonly sectors: number
  /** Indexed by version - 1. */
  readonly changes: Change[] = []
  #begins = new Float64Array(0)
  #touched = new Int32Array(0)
  /** At each index, versions of the classes before `index + 1`; at the last, of all classes. */
  #releases: readonly Releases[] = []

  constructor(partition: number, block: number, group: number, firstSector: number, sectors: number) {
    this.partition = partition
    this.block = block
    this.group = group
    this.firstSector = firstSector
    this.sectors = sectors
  }

  /** To be called once, when all changes are added. */
  index(): void {
    const rows = this.changes.length + 1
    this.#begins = new Float64Array(rows * (CLASSES + 1)).fill(-1)
    this.#touched = new Int32Array(rows * this.sectors)
    this.changes.forEach(({ writeClass, mask, begin }, i) => {
      const row = i + 1
      for (let c = 1; c <= CLASSES; c++) {
        this.#begins[row * (CLASSES + 1) + c] =
          c === writeClass ? begin : this.#begins[(row - 1) * (CLASSES + 1) + c]!
      }
      for (let sector = 0; sector < this.sectors; sector++) {
        const isTouched = (mask & (1 << sector)) !== 0
        this.#touched[row * this.sectors + sector] = isTouched
          ? row
          : this.#touched[(row - 1) * this.sectors + sector]!
      }
    })
    this.#releases = Array.from(
      { length: CLASSES + 1 },
      (_, c) => new Releases(this.changes.filter((change) => change.writeClass <= c)),
    )
  }

  /** When the last change of a class up to a version began, -1 if none. */
  lastBegin(version: number, writeClass: number): number {
    return this.#begins[version * (CLASSES + 1) + writeClass]!
  }

  /** The version that a sector has in a given version of the block. */
  sectorAt(version: number, sector: number): number {
    return this.#touched[version * this.sectors + sector]!
  }

  /** The newest version by a change of a class before `writeClass` that was released before `seq`, 0 if none. */
  releasedBefore(seq: number, writeClass: number): number {
    return this.#releases[writeClass - 1]!.before(seq)
  }
}

export class History {
  readonly blocks: readonly BlockHistory[]
  readonly sectors: number
  readonly #firstBlock: number[] = []

  constructor(scenario: Scenario, records: readonly LogRecord[]) {
    const blocks: BlockHistory[] = []
    const groups = groupsOf(scenario)
    let sectors = 0
    scenario.disks.forEach((disk, partition) => {
      this.#firstBlock.push(blocks.length)
      for (let block = 0; block < disk.blocks; block++) {
        const count = disk.blockSize / SECTOR
        blocks.push(new BlockHistory(partition, block, groups[partition]!, sectors, count))
        sectors += count
      }
    })
    this.blocks = blocks
    this.sectors = sectors
    for (const { kind, seq, partition, block, value, extra, mask } of records) {
      if (kind === KIND.RELEASE) {
        const { changes } = this.block(partition, block)
        changes.push({ version: value, writeClass: extra, mask, begin: seq, end: Infinity })
      } else if (kind === KIND.RELEASED) {
        this.block(partition, block).changes[value - 1]!.end = seq
      }
    }
    for (const block of blocks) block.index()
  }

  block(partition: number, block: number): BlockHistory {
    return this.blocks[this.#firstBlock[partition]! + block]!
  }
}
