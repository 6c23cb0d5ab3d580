/**
 * Judges one disk image: it must hold no change whose precondition is missing, and every change that a flush acknowledged.
 * An image is the version of every sector.
 */
import type { BlockHistory, History } from './history.js'
import { WRITE_ORDER } from './scenario.js'

export type Image = Int32Array

/** A promise that an image breaks. */
export interface Breach {
  readonly kind: 'order' | 'acknowledged'
  /** The block that is too old, and its minimum version. */
  readonly missing: BlockHistory
  readonly version: number
  /** The block that is too new, and the class of its change; none when a flush promised the missing change. */
  readonly present: BlockHistory | undefined
  readonly presentClass: number
}

export class Judge {
  readonly #history: History
  readonly #groups: number
  readonly #disks: number
  /** For each disk and last class, where the newest acknowledged flush began, -1 if none. */
  readonly acknowledged: Float64Array

  constructor(history: History) {
    this.#history = history
    this.#groups = Math.max(...history.blocks.map((block) => block.group)) + 1
    this.#disks = Math.max(...history.blocks.map((block) => block.partition)) + 1
    this.acknowledged = new Float64Array(this.#disks * WRITE_ORDER.length).fill(-1)
  }

  /** Notes that a flush of a disk, or of all with -1, succeeded: all releases of the classes up to `through` before its begin are promised. */
  acknowledge(partition: number, flushSeq: number, through: number = WRITE_ORDER.length): void {
    for (let disk = 0; disk < this.#disks; disk++) {
      if (partition >= 0 && disk !== partition) continue
      for (let last = 1; last <= through; last++) {
        const at = this.#place(disk, last)
        this.acknowledged[at] = Math.max(this.acknowledged[at]!, flushSeq)
      }
    }
  }

  #place(disk: number, last: number): number {
    return disk * WRITE_ORDER.length + last - 1
  }

  breach(image: Image): Breach | undefined {
    for (const missing of this.#history.blocks)
      for (let last = 1; last <= WRITE_ORDER.length; last++) {
        const promised = this.acknowledged[this.#place(missing.partition, last)]!
        const version = promised < 0 ? 0 : missing.releasedBefore(promised, last + 1)
        if (holds(image, missing, version)) continue
        return { kind: 'acknowledged', missing, version, present: undefined, presentClass: 0 }
      }
    for (let group = 0; group < this.#groups; group++) {
      for (let writeClass = 2; writeClass <= WRITE_ORDER.length; writeClass++) {
        const breach = this.#orderBreach(image, group, writeClass)
        if (breach) return breach
      }
    }
    return undefined
  }

  /** Whether the image has a change of this class, but lacks one of an earlier class that was released before it began. */
  #orderBreach(image: Image, group: number, writeClass: number): Breach | undefined {
    const { blocks } = this.#history
    let latest = -1
    let present: BlockHistory | undefined
    for (const block of blocks) {
      if (block.group !== group) continue
      const begin = block.lastBegin(newest(image, block), writeClass)
      if (begin > latest) {
        latest = begin
        present = block
      }
    }
    if (latest < 0) return undefined
    for (const block of blocks) {
      if (block.group !== group) continue
      const version = block.releasedBefore(latest, writeClass)
      if (!holds(image, block, version)) {
        return { kind: 'order', missing: block, version, present, presentClass: writeClass }
      }
    }
    return undefined
  }
}

/** The version of the newest change of which the image has any part. */
export function newest(image: Image, block: BlockHistory): number {
  let version = 0
  for (let sector = 0; sector < block.sectors; sector++) {
    version = Math.max(version, image[block.firstSector + sector]!)
  }
  return version
}

/** Whether every sector of the block has at least the contents of this version. */
function holds(image: Image, block: BlockHistory, version: number): boolean {
  if (version === 0) return true
  for (let sector = 0; sector < block.sectors; sector++) {
    if (image[block.firstSector + sector]! < block.sectorAt(version, sector)) return false
  }
  return true
}
