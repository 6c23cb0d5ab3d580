// The steps of one thread of the stress test: it acquires a block in some mode, compares it with the table, may change it,
// and releases it in some way. The code is shared by Sync and asynchronous calls.

import { readSync } from 'node:fs'
import type { BlockGuard, CacheClient, Mode } from 'dcache'
import { PARTITIONS, type Truth, useOf, versionOf, writeRecord } from './records.js'

/** The calls that a thread uses. */
export interface Calls {
  acquire(
    partition: number,
    block: number,
    mode: Mode,
    range?: { start: number; length: number },
  ): BlockGuard | Promise<BlockGuard>
  read(partition: number, target: Uint8Array, position: number): void | Promise<void>
  write(partition: number, source: Uint8Array, position: number, writeClass: string): void | Promise<void>
  flush(): void | Promise<void>
}

const HOT_BLOCKS = 8
const CLASSES = ['data', 'directory', 'trailer'] as const

export function syncCalls(client: CacheClient): Calls {
  const partitions = PARTITIONS.map(({ name }) => client.partition(name))
  return {
    acquire: (partition, block, mode, range) => partitions[partition]!.acquireSync(block, mode, range),
    read: (partition, target, position) => partitions[partition]!.readSync(target, position),
    write: (partition, source, position, writeClass) =>
      partitions[partition]!.writeSync(source, position, writeClass),
    flush: () => client.flushSync(),
  }
}

export function asyncCalls(client: CacheClient): Calls {
  const partitions = PARTITIONS.map(({ name }) => client.partition(name))
  return {
    acquire: (partition, block, mode, range) => partitions[partition]!.acquire(block, mode, range),
    read: (partition, target, position) => partitions[partition]!.read(target, position),
    write: (partition, source, position, writeClass) =>
      partitions[partition]!.write(source, position, writeClass),
    flush: () => client.flush(),
  }
}

export interface TrafficOptions {
  readonly client: CacheClient
  readonly calls: Calls
  readonly truth: Truth
  /** The index of this thread among all that make traffic. */
  readonly index: number
  readonly threads: number
  /** The index of this life in the table; the same as `index` where no thread dies. */
  readonly life: number
  /** Called while guards are held, where a thread may end; with `isChanging` it would leave a change half-made. */
  readonly mayEnd?: (isChanging: boolean) => void
  /** Descriptors of the partitions' files, to read them without the cache. */
  readonly files: readonly number[]
  readonly seed: number
}

export class Traffic {
  readonly #options: TrafficOptions
  #random: number
  /** How often each step was taken. */
  readonly counts: Record<string, number> = {}

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#random = options.seed
  }

  /** Takes one step, chosen at random. @throws at the first wrong record */
  async step(): Promise<void> {
    this.#options.truth.countStep()
    const partition = this.#below(PARTITIONS.length)
    // Every second step uses one of a few blocks, so that these are changed again while they are dirty.
    const block = this.#below(this.#below(2) === 0 ? HOT_BLOCKS : PARTITIONS[partition]!.blocks)
    const use = useOf(block)
    const choice = this.#below(100)
    if (choice === 0) return this.#flush(partition, block)
    if (choice < 15) return this.#readRange(partition, block)
    if (use === 'ranged') return this.#writeRange(partition, block)
    if (use === 'forgotten' && choice < 25) {
      this.#forget(partition, block)
      return
    }
    if (choice < 25) return this.#try(partition, block)
    if (choice < 30) return this.#two(partition, block)
    if (choice < 60) return this.#read(partition, block)
    if (choice < 72) return this.#overwrite(partition, block)
    if (choice < 84) return this.#modifyHalf(partition, block)
    return this.#modify(partition, block)
  }

  /** Latches every block exclusively once, and flushes: fails if a block is held for ever. */
  async visitAll(): Promise<void> {
    for (const [partition, { blocks }] of PARTITIONS.entries()) {
      for (let block = 0; block < blocks; block++) {
        using guard = await this.#options.calls.acquire(partition, block, 'modify')
        this.#verify(guard, partition)
      }
    }
    await this.#options.calls.flush()
  }

  async #read(partition: number, block: number): Promise<void> {
    this.#count('read')
    using guard = await this.#options.calls.acquire(partition, block, 'read')
    this.#verify(guard, partition)
  }

  async #modify(partition: number, block: number): Promise<void> {
    const guard = await this.#options.calls.acquire(partition, block, 'modify')
    this.#verify(guard, partition)
    this.#change(guard, partition, [0, 1])
  }

  /** Changes only one record, with a declared range. */
  async #modifyHalf(partition: number, block: number): Promise<void> {
    this.#count('declared range')
    const half = this.#below(2)
    const length = PARTITIONS[partition]!.blockSize / 2
    const guard = await this.#options.calls.acquire(partition, block, 'modify', {
      start: half * length,
      length,
    })
    this.#verify(guard, partition)
    this.#change(guard, partition, [half])
  }

  async #overwrite(partition: number, block: number): Promise<void> {
    const guard = await this.#options.calls.acquire(partition, block, 'overwrite')
    // Zeros if the block was not cached, otherwise its contents.
    if (guard.data.some((byte) => byte !== 0)) this.#verify(guard, partition)
    else this.#count('overwrite of an absent block')
    const { truth } = this.#options
    if ([0, 1].some((half) => !truth.isSettled(partition, 2 * block + half))) {
      // A thread died while it changed the block: its version must be seen first.
      guard.discard()
      return
    }
    this.#change(guard, partition, [0, 1])
  }

  async #try(partition: number, block: number): Promise<void> {
    const mode = (['read', 'modify'] as const)[this.#below(2)]!
    const guard = this.#options.client.partition(PARTITIONS[partition]!.name).tryAcquire(block, mode)
    this.#count(guard ? 'try, had' : 'try, refused')
    if (!guard) return
    this.#verify(guard, partition)
    if (mode === 'modify') this.#change(guard, partition, [0, 1])
    else guard.release()
  }

  /** Holds two blocks at a time, in ascending order, as a walk down a tree does. */
  async #two(partition: number, block: number): Promise<void> {
    this.#count('two at once')
    const child = block + 1 + this.#below(8)
    if (child >= PARTITIONS[partition]!.blocks || useOf(child) === 'ranged') return
    using parent = await this.#options.calls.acquire(partition, block, 'read')
    await this.#modify(partition, child)
    this.#verify(parent, partition)
  }

  /** Changes some records and releases the block, with the change or without. */
  #change(guard: BlockGuard, partition: number, halves: readonly number[]): void {
    const { truth, life, mayEnd } = this.#options
    const isDiscarded = this.#below(6) === 0
    const length = guard.partition.blockSize / 2
    const { block } = guard
    const versions = halves.map((half) => {
      const record = 2 * block + half
      const version = truth.high(partition, record) + 1
      const bytes = guard.data.subarray(half * length, (half + 1) * length)
      writeRecord(bytes.subarray(0, length / 2), partition, record, version, this.#next())
      mayEnd?.(true)
      writeRecord(bytes, partition, record, version, this.#next())
      mayEnd?.(true)
      return { record, version }
    })
    this.#count(isDiscarded ? 'discard' : 'change')
    if (isDiscarded) {
      guard.discard()
      return
    }
    guard.markDirty(CLASSES[this.#below(3)])
    for (const { record, version } of versions) truth.announce(partition, record, version, life)
    mayEnd?.(true)
    guard.release()
    mayEnd?.(true)
    for (const { record, version } of versions) truth.confirm(partition, record, version)
  }

  /** Writes both records of a block that only this thread writes, without a guard. */
  async #writeRange(partition: number, block: number): Promise<void> {
    const { truth, calls, index, threads, life } = this.#options
    if (Math.floor(block / 8) % threads !== index) return this.#read(partition, block)
    // A thread died while it changed the block: its version must be seen first.
    if ([0, 1].some((half) => !truth.isSettled(partition, 2 * block + half)))
      await this.#read(partition, block)
    this.#count('write of a range')
    const { blockSize } = PARTITIONS[partition]!
    const halves = this.#below(2) === 0 ? [0, 1] : [this.#below(2)]
    const source = new Uint8Array((halves.length * blockSize) / 2)
    const versions = halves.map((half, i) => {
      const record = 2 * block + half
      const version = truth.high(partition, record) + 1
      const start = (i * blockSize) / 2
      writeRecord(source.subarray(start, start + blockSize / 2), partition, record, version, this.#next())
      truth.announce(partition, record, version, life)
      return { record, version }
    })
    const position = block * blockSize + (halves[0]! * blockSize) / 2
    await calls.write(partition, source, position, CLASSES[this.#below(3)]!)
    for (const { record, version } of versions) truth.confirm(partition, record, version)
  }

  /** Reads consecutive blocks as bytes. */
  async #readRange(partition: number, block: number): Promise<void> {
    this.#count('read of a range')
    const { truth, calls } = this.#options
    const { blockSize, blocks } = PARTITIONS[partition]!
    const last = Math.min(blocks, block + 1 + this.#below(4))
    const target = new Uint8Array((last - block) * blockSize)
    const low = this.#records(block, last).map((record) => truth.low(partition, record))
    await calls.read(partition, target, block * blockSize)
    this.#records(block, last).forEach((record, i) => {
      const bytes = target.subarray((i * blockSize) / 2, ((i + 1) * blockSize) / 2)
      const least = useOf(record >> 1) === 'forgotten' ? 0 : low[i]!
      this.#assertVersion(bytes, partition, record, least, 'in a range of bytes')
    })
  }

  #forget(partition: number, block: number): void {
    this.#count('forget')
    this.#options.client.partition(PARTITIONS[partition]!.name).forget(block, 1)
  }

  /** Flushes, then reads a file: it must have the block's version before the flush, or a newer one. */
  async #flush(partition: number, block: number): Promise<void> {
    this.#count('flush')
    const { truth, calls, files } = this.#options
    const { blockSize } = PARTITIONS[partition]!
    const records = [2 * block, 2 * block + 1]
    const low = records.map((record) => truth.low(partition, record))
    await calls.flush()
    if (useOf(block) === 'forgotten') return
    low.forEach((version, half) => {
      const record = 2 * block + half
      const bytes = new Uint8Array(blockSize / 2)
      for (let tries = 0; ; tries++) {
        readSync(files[partition]!, bytes, 0, bytes.length, (record * blockSize) / 2)
        // A writer may be writing the block at this moment.
        if (versionOf(bytes, partition, record) >= 0 || tries === 100) break
      }
      this.#assertVersion(bytes, partition, record, version, 'in the file after a flush')
    })
  }

  /** Checks both records of a held block. */
  #verify(guard: BlockGuard, partition: number): void {
    const { truth, mayEnd } = this.#options
    mayEnd?.(false)
    const length = guard.partition.blockSize / 2
    const use = useOf(guard.block)
    for (const half of [0, 1]) {
      const record = 2 * guard.block + half
      const bytes = guard.data.subarray(half * length, (half + 1) * length)
      const where = `in a guard (${use})`
      const least = use === 'forgotten' ? 0 : truth.low(partition, record)
      const version = this.#assertVersion(bytes, partition, record, least, where)
      if (use === 'guarded' && !truth.isRight(partition, record, version)) this.#fail(bytes, partition, record, version, truth.rightText(partition, record), where) // prettier-ignore
      // A version that was seen cannot be reverted.
      if (use !== 'forgotten') truth.confirm(partition, record, version)
    }
  }

  #assertVersion(bytes: Uint8Array, partition: number, record: number, least: number, where: string): number {
    const version = versionOf(bytes, partition, record)
    const most = this.#options.truth.high(partition, record)
    if (version < least || version > most)
      this.#fail(bytes, partition, record, version, `${least} to ${most}`, where)
    return version
  }

  #fail(
    bytes: Uint8Array,
    partition: number,
    record: number,
    version: number,
    right: string,
    where: string,
  ): never {
    const name = PARTITIONS[partition]!.name
    const what = version < 0 ? 'is torn or in the wrong place' : `has version ${version}`
    const head = Buffer.from(bytes.subarray(0, 24)).toString('hex')
    throw new Error(
      `record ${record & 1} of block ${record >> 1} of '${name}' ${what} ${where}; right is ${right} (${head})`,
    )
  }

  #records(first: number, end: number): number[] {
    return Array.from({ length: 2 * (end - first) }, (_, i) => 2 * first + i)
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  #next(): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) | 0
    return (this.#random ^ (this.#random >>> 16)) >>> 0
  }

  #below(limit: number): number {
    return this.#next() % limit
  }
}
