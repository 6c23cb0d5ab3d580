/**
 * A disk that can crash, behind the device interface. The devices of all threads share its contents. Every call is logged,
 * and crash-points.ts makes from the log every disk image that a crash could leave.
 *
 * Like a file on Linux it has a page cache: reads see a write at once, and it is durable after a successful sync. A failed
 * sync clears the marks of dirty pages: the writes since the last successful sync may be on disk or not, a later sync
 * does not change that, and a read may return the former contents.
 */
import type { Device } from '#dist/core/device/device.js'
import { CrashLog, KIND } from './log.js'
import { Random } from './random.js'
import { SECTOR, sectorVersions } from './sectors.js'

/** What all threads need to know of a disk, as a value that can be cloned. */
export interface Disk {
  readonly partition: number
  readonly blockSize: number
  readonly blocks: number
  readonly log: SharedArrayBuffer
  /** The contents that reads see. */
  readonly contents: SharedArrayBuffer
  /** The contents at the last successful sync. */
  readonly durable: SharedArrayBuffer
  /** A byte for each block, set if the block was written since. */
  readonly marks: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  /** The share of calls that take a while, so that other threads run in the meantime. */
  readonly pauses: number
  readonly seed: number
}

/** Words of the control buffer. */
const CONTROL = { writes: 0, syncs: 1, writeFault: 2, syncFault: 6, short: 10, WORDS: 12 } as const
const FAULT = { errno: 0, first: 1, count: 2, period: 3 } as const

/** Which calls fail: `count` of them from number `first` on, and again after every `period` calls. */
export interface Fault {
  readonly errno: number
  readonly first: number
  readonly count: number
  readonly period?: number
}

export const EIO = -5
export const ENOSPC = -28

export function createDisk(options: {
  readonly partition: number
  readonly blockSize: number
  readonly blocks: number
  readonly log: SharedArrayBuffer
  readonly pauses: number
  readonly seed: number
}): Disk {
  const bytes = options.blockSize * options.blocks
  return {
    ...options,
    contents: new SharedArrayBuffer(bytes),
    durable: new SharedArrayBuffer(bytes),
    marks: new SharedArrayBuffer(options.blocks),
    control: new SharedArrayBuffer(CONTROL.WORDS * 4),
  }
}

/** Makes the calls of a disk fail. */
export class DiskControl {
  readonly #words: Int32Array

  constructor(disk: Disk) {
    this.#words = new Int32Array(disk.control)
  }

  get writes(): number {
    return Atomics.load(this.#words, CONTROL.writes)
  }

  get syncs(): number {
    return Atomics.load(this.#words, CONTROL.syncs)
  }

  failWrites(fault: Fault): void {
    this.#set(CONTROL.writeFault, fault)
  }

  failSyncs(fault: Fault): void {
    this.#set(CONTROL.syncFault, fault)
  }

  /** Makes every call fail from now on, or none. */
  failWritesFromNow(errno: number): void {
    this.failWrites({ errno, first: 0, count: 2 ** 30 })
  }

  failSyncsFromNow(errno: number): void {
    this.failSyncs({ errno, first: 0, count: 2 ** 30 })
  }

  /** A write reaches the disk in pieces of one sector. */
  shortWrites(on: boolean): void {
    Atomics.store(this.#words, CONTROL.short, on ? 1 : 0)
  }

  repair(): void {
    Atomics.store(this.#words, CONTROL.writeFault + FAULT.count, 0)
    Atomics.store(this.#words, CONTROL.syncFault + FAULT.count, 0)
  }

  #set(at: number, { errno, first, count, period = 0 }: Fault): void {
    this.#words[at + FAULT.errno] = errno
    this.#words[at + FAULT.first] = first
    this.#words[at + FAULT.period] = period
    Atomics.store(this.#words, at + FAULT.count, count)
  }
}

export class CrashDevice implements Device {
  readonly #disk: Disk
  readonly #log: CrashLog
  readonly #random: Random
  readonly #contents: Uint8Array
  readonly #durable: Uint8Array
  readonly #marks: Uint8Array
  readonly #control: Int32Array
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4))

  /** `thread` is the thread that uses this device. */
  constructor(disk: Disk, thread: number) {
    this.#disk = disk
    this.#log = new CrashLog(disk.log, thread)
    this.#random = new Random(disk.seed + disk.partition * 101 + thread)
    this.#contents = new Uint8Array(disk.contents)
    this.#durable = new Uint8Array(disk.durable)
    this.#marks = new Uint8Array(disk.marks)
    this.#control = new Int32Array(disk.control)
  }

  readSync(targets: readonly Uint8Array[], position: number): void {
    this.#pause()
    let at = position
    for (const target of targets) {
      target.set(this.#contents.subarray(at, at + target.length))
      at += target.length
    }
  }

  async read(targets: readonly Uint8Array[], position: number): Promise<void> {
    await new Promise(setImmediate)
    this.readSync(targets, position)
  }

  /** Each block is a separate write: a fault may be in the middle of a run, and a crash may keep any of its blocks. */
  writeSync(sources: readonly Uint8Array[], position: number): void {
    let at = position
    for (const source of sources) {
      this.#writeBlock(source, at)
      at += source.length
    }
  }

  #writeBlock(source: Uint8Array, position: number): void {
    const { partition, blockSize } = this.#disk
    const block = position / blockSize
    const errno = this.#faultOf(CONTROL.writeFault, CONTROL.writes)
    const sectors = sectorVersions(source, partition, block)
    const isShort = errno === 0 && Atomics.load(this.#control, CONTROL.short) === 1
    // The log has the first piece of a short write as a failed write; the caller of the interface sees only the whole.
    if (isShort) this.#log.append(KIND.WRITE_FAILED, { partition, block, sectors })
    this.#log.append(errno === 0 ? KIND.WRITE : KIND.WRITE_FAILED, {
      partition,
      block,
      sectors,
      extra: errno,
    })
    this.#pause()
    const length = errno === 0 ? source.length : SECTOR * this.#random.below(source.length / SECTOR + 1)
    this.#contents.set(source.subarray(0, length), position)
    const after = sectorVersions(source, partition, block)
    if (after.some((version, i) => version !== sectors[i])) {
      this.#log.append(KIND.UNSTABLE, { partition, block, sectors: after })
    }
    if (errno !== 0) throw systemError(errno, 'write')
    this.#marks[block] = 1
  }

  syncSync(): void {
    const { partition } = this.#disk
    const errno = this.#faultOf(CONTROL.syncFault, CONTROL.syncs)
    const value = this.#log.append(KIND.SYNC_BEGIN, { partition })
    this.#pause()
    for (let block = 0; block < this.#marks.length; block++) {
      if (this.#marks[block] === 0) continue
      this.#marks[block] = 0
      if (errno === 0) this.#copy(block, this.#contents, this.#durable)
      // The page has lost its mark. Under memory pressure it is evicted, and the next read returns the old contents.
      else if (this.#random.chance(0.5)) this.#copy(block, this.#durable, this.#contents)
    }
    this.#log.append(errno === 0 ? KIND.SYNC_OK : KIND.SYNC_FAILED, { partition, value, extra: errno })
    if (errno !== 0) throw systemError(errno, 'fsync')
  }

  #copy(block: number, from: Uint8Array, to: Uint8Array): void {
    const { blockSize } = this.#disk
    to.set(from.subarray(block * blockSize, (block + 1) * blockSize), block * blockSize)
  }

  /** Counts a call; returns its errno, or 0 if the call is to succeed. */
  #faultOf(at: number, counter: number): number {
    const number = Atomics.add(this.#control, counter, 1)
    const count = Atomics.load(this.#control, at + FAULT.count)
    const first = this.#control[at + FAULT.first]!
    const period = this.#control[at + FAULT.period]!
    if (count === 0 || number < first) return 0
    const place = period === 0 ? number - first : (number - first) % period
    return place < count ? this.#control[at + FAULT.errno]! : 0
  }

  #pause(): void {
    if (!this.#random.chance(this.#disk.pauses)) return
    Atomics.wait(this.#sleep, 0, 0, this.#random.next() * 0.6)
  }
}

function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = errno === ENOSPC ? 'ENOSPC' : 'EIO'
  return Object.assign(new Error(`${code}, ${syscall}`), { code, errno, syscall })
}
