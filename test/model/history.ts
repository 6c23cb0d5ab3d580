// The model: what a cache may show and what may be on its devices. Every block has its released versions, in one order over
// all blocks; a reader sees the newest. A device may hold any version that is not older than the durable one, if the order
// promise allows it.

import { createHash } from 'node:crypto'

/** The contents of a block from one release to the next. */
interface Version {
  readonly bytes: Uint8Array
  /** The position of the release among all releases. */
  readonly order: number
  /** The index in writeOrder; -1 for the contents before the first release. */
  readonly writeClass: number
  /** The block was forgotten since: no later change depends on this version. */
  isForgotten: boolean
}

class BlockHistory {
  /** The versions, oldest first; the first is not newer than the durable one. */
  versions: Version[]
  /** The index of the newest version that is certainly durable. */
  durable = 0
  /** The index of the version that was written last. */
  written = 0
  /** The block was forgotten and not read since: its contents are one of the versions. */
  isUncertain = false

  constructor(bytes: Uint8Array) {
    this.versions = [{ bytes, order: 0, writeClass: -1, isForgotten: false }]
  }

  get newest(): Version {
    return this.versions.at(-1)!
  }

  /** Whether the newest version must be in the cache, because the device may not have it. */
  get isUnwritten(): boolean {
    return this.durable < this.versions.length - 1 && !this.newest.isForgotten && !this.isUncertain
  }

  /** Drops the versions that no device can show again. */
  prune(): void {
    if (this.isUncertain) return
    this.versions = this.versions.slice(this.durable)
    this.written = Math.max(0, this.written - this.durable)
    this.durable = 0
  }
}

export interface HistoryPartition {
  readonly name: string
  readonly blockSize: number
  readonly blocks: number
  readonly group: number
}

export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Copies bytes: `slice` of a Buffer would only be a view of the same bytes. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

/** A short form of a block's contents for messages: the first bytes, and a digest of all. */
function brief(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, 4)).toString('hex')
  return `${start}...(${createHash('sha1').update(bytes).digest('hex').slice(0, 6)})`
}

export class History {
  readonly #partitions: readonly HistoryPartition[]
  readonly #blocks: readonly BlockHistory[][]
  readonly #disk: ((partition: number, block: number) => Uint8Array) | undefined
  #order = 0

  /** `disk` returns what a read of the device would return now, where a test can know that. */
  constructor(
    partitions: readonly HistoryPartition[],
    disk?: (partition: number, block: number) => Uint8Array,
  ) {
    this.#partitions = partitions
    this.#disk = disk
    this.#blocks = partitions.map(({ blockSize, blocks }) =>
      Array.from({ length: blocks }, () => new BlockHistory(new Uint8Array(blockSize))),
    )
  }

  /** The contents that a reader of the block sees; undefined if that is uncertain. */
  current(partition: number, block: number): Uint8Array | undefined {
    const history = this.#at(partition, block)
    return history.isUncertain ? undefined : history.newest.bytes
  }

  /** Whether the newest version is certainly only in the cache; needs a device that the test can inspect. */
  isUnwritten(partition: number, block: number): boolean {
    return this.#disk !== undefined && this.#at(partition, block).isUnwritten
  }

  /** Notes that a reader saw these contents of the block. @throws if they are impossible */
  observe(partition: number, block: number, bytes: Uint8Array): void {
    const history = this.#at(partition, block)
    if (!history.isUncertain) {
      this.#assert(same(bytes, history.newest.bytes), partition, block, () => `shows ${brief(bytes)}, not ${brief(history.newest.bytes)}`) // prettier-ignore
      return
    }
    const onDisk = this.#disk?.(partition, block)
    const possible = onDisk
      ? [history.newest.bytes, onDisk]
      : history.versions.map((version) => version.bytes)
    this.#assert(possible.some((one) => same(one, bytes)), partition, block, () => `shows ${brief(bytes)} after it was forgotten; possible are ${possible.map(brief).join(', ')}`) // prettier-ignore
    this.#settle(history, bytes)
  }

  /** Notes that a change was released. */
  release(partition: number, block: number, bytes: Uint8Array, writeClass: number): void {
    const history = this.#at(partition, block)
    history.isUncertain = false
    history.versions.push({ bytes: copyOf(bytes), order: ++this.#order, writeClass, isForgotten: false })
  }

  /** Notes that the block was forgotten: its contents are those of the cache or the device. */
  forget(partition: number, block: number): void {
    const history = this.#at(partition, block)
    history.isUncertain = true
    for (const version of history.versions) version.isForgotten = true
  }

  /** Notes that this image is about to be written. @throws if it is wrong or too early */
  write(partition: number, block: number, bytes: Uint8Array): void {
    const history = this.#at(partition, block)
    const matches = history.versions.flatMap((version, i) => (same(version.bytes, bytes) ? [i] : []))
    const possible = matches.filter((i) => i >= history.durable || history.versions[i]!.isForgotten)
    this.#assert(possible.length > 0, partition, block, () => matches.length > 0 ? `is written as it was before its durable contents` : `is written as ${brief(bytes)}, which was never released`) // prettier-ignore
    // Of equal versions, the one with the fewest preconditions counts.
    const image = history.versions[possible[0]!]!
    for (const version of history.versions.slice(history.durable + 1, possible[0]! + 1)) {
      // The image does not contain what was forgotten before it.
      if (version.isForgotten === image.isForgotten) this.#assertOrder(partition, block, version)
    }
    history.written = possible.at(-1)!
  }

  /** Notes that all writes to this partition are durable. */
  sync(partition: number): void {
    for (const history of this.#blocks[partition]!) {
      history.durable = history.written
      history.prune()
    }
  }

  /** Notes that a sync failed: the writes since the last successful one may be lost. */
  lost(partition: number): void {
    for (const history of this.#blocks[partition]!) history.written = history.durable
  }

  /** The position of the last release. */
  get order(): number {
    return this.#order
  }

  /**
   * Checks the engine's claim that all releases up to `order` (in one partition) are durable; `durable` returns what the
   * device kept. @throws if the claim is false
   */
  flushed(durable: (partition: number, block: number) => Uint8Array, order: number, only?: number): void {
    this.#each((partition, block, history) => {
      if (only !== undefined && partition !== only) return
      const kept = durable(partition, block)
      // A sync in the flush may have dropped all older versions.
      const target = Math.max(
        0,
        history.versions.findLastIndex((version) => version.order <= order),
      )
      const isUnwritten = !history.isUncertain && !history.versions[target]!.isForgotten
      const found = history.versions.findLastIndex(
        (version, i) => (!isUnwritten || i >= target) && same(version.bytes, kept),
      )
      this.#assert(found >= 0, partition, block, () => `is durable as ${brief(kept)} after a flush, not as ${brief(history.versions[target]!.bytes)}`) // prettier-ignore
      if (!isUnwritten) return
      history.durable = Math.max(history.durable, found)
      history.written = Math.max(history.written, found)
      history.prune()
    })
  }

  /** Notes that the cache was opened again: every block has the contents of the device. */
  reopened(disk: (partition: number, block: number) => Uint8Array): void {
    this.#each((partition, block, history) => {
      this.observe(partition, block, disk(partition, block))
      history.versions = [history.newest]
      history.newest.isForgotten = false
      history.durable = history.written = 0
    })
  }

  #at(partition: number, block: number): BlockHistory {
    return this.#blocks[partition]![block]!
  }

  #each(visit: (partition: number, block: number, history: BlockHistory) => void): void {
    this.#blocks.forEach((blocks, partition) => {
      blocks.forEach((history, block) => {
        visit(partition, block, history)
      })
    })
  }

  /** Sets the contents of a block, which are durable and have no preconditions. */
  #settle(history: BlockHistory, bytes: Uint8Array): void {
    history.isUncertain = false
    history.versions.push({ bytes: copyOf(bytes), order: ++this.#order, writeClass: -1, isForgotten: true })
  }

  /** Checks that every earlier change of an earlier class in the group is durable. */
  #assertOrder(partition: number, block: number, version: Version): void {
    const { group } = this.#partitions[partition]!
    this.#each((otherPartition, otherBlock, other) => {
      if (this.#partitions[otherPartition]!.group !== group) return
      for (const earlier of other.versions.slice(other.durable + 1)) {
        const isBefore = earlier.order < version.order && earlier.writeClass < version.writeClass
        if (!isBefore || earlier.isForgotten || earlier.writeClass < 0) continue
        this.#assert(false, partition, block, () => `is written with change ${version.order} of class ${version.writeClass}, before block ${otherBlock} of '${this.#partitions[otherPartition]!.name}' is durable with change ${earlier.order} of class ${earlier.writeClass}`) // prettier-ignore
      }
    })
  }

  #assert(holds: boolean, partition: number, block: number, what: () => string): void {
    if (!holds) throw new Error(`block ${block} of '${this.#partitions[partition]!.name}' ${what()}`)
  }
}
