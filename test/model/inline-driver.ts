// The core in one thread as a driver of the interpreter: two partitions in memory, a history that is told of every write and
// sync, a second client for concurrent accesses, and failures on demand.

import { InlineEngine } from '../support/inline-engine.js'
import { MemoryDevice, type DeviceCall } from '../support/memory-device.js'
import type { AcquireOptions, BlockGuard, FlushScope, Mode, Partition } from 'dcache'
import type { Client } from '#dist/core/client/client.js'
import type { Setup } from './commands.js'
import type { Driver, InlineControls } from './driver.js'
import { History, type HistoryPartition } from './history.js'

const WRITE_ORDER = ['data', 'directory', 'trailer']

export class InlineDriver implements Driver, InlineControls {
  readonly history: History
  readonly partitions: readonly HistoryPartition[]
  readonly writeOrder = WRITE_ORDER
  readonly inline = this
  duringWrite: (() => void) | undefined
  failures = 0
  breach: unknown
  readonly #setup: Setup
  readonly #devices: readonly MemoryDevice[]
  readonly #armed = new Set<string>()
  #engine: InlineEngine
  #elsewhere: Client

  constructor(setup: Setup) {
    this.#setup = setup
    this.partitions = [
      { name: 'a', blockSize: 512, blocks: 16, group: 0 },
      { name: 'b', blockSize: 1024, blocks: 12, group: setup.isSplit ? 1 : 0 },
    ]
    this.#devices = this.partitions.map(({ blockSize, blocks }) => new MemoryDevice(blockSize * blocks))
    this.history = new History(this.partitions, (partition, block) =>
      this.#part(this.#devices[partition]!.written, partition, block),
    )
    this.#devices.forEach((device, partition) => {
      device.before = (call) => {
        this.#before(partition, call)
      }
    })
    ;[this.#engine, this.#elsewhere] = this.#open()
  }

  partition(partition: number): Partition {
    return this.#engine.client.partition(this.partitions[partition]!.name)
  }

  acquire(partition: number, block: number, mode: Mode, options: AcquireOptions): BlockGuard {
    return this.partition(partition).acquireSync(block, mode, options)
  }

  acquireElsewhere(partition: number, block: number, mode: Mode, options: AcquireOptions): BlockGuard {
    return this.#elsewhere.partition(this.partitions[partition]!.name).acquireSync(block, mode, options)
  }

  forgetElsewhere(partition: number, block: number, count: number): void {
    this.#elsewhere.partition(this.partitions[partition]!.name).forget(block, count)
  }

  readBytes(partition: number, target: Uint8Array, position: number): void {
    this.partition(partition).readSync(target, position)
  }

  writeBytes(partition: number, source: Uint8Array, position: number, writeClass: string): void {
    this.partition(partition).writeSync(source, position, writeClass)
  }

  flush(scope: FlushScope): void {
    this.#engine.client.flushSync(scope)
  }

  kick(): void {
    this.#engine.client.kick()
  }

  evictClean(): void {
    this.#engine.evictClean()
  }

  stepFlusher(): void {
    this.#engine.stepFlusher()
  }

  stepWriter(partition: number): void {
    this.#engine.stepWriter(partition)
  }

  stepReader(): void {
    this.#engine.stepReader()
  }

  settle(): void {
    this.#engine.settle()
  }

  retry(partition: number): void {
    this.#engine.retry(this.partitions[partition]!.name)
  }

  arm(partition: number, call: DeviceCall['kind']): void {
    this.#armed.add(`${partition} ${call}`)
  }

  disarm(): void {
    this.#armed.clear()
  }

  get isArmed(): boolean {
    return this.#armed.size > 0
  }

  durable(partition: number, block: number): Uint8Array {
    return this.#part(this.#devices[partition]!.durable, partition, block)
  }

  reopen(): void {
    for (const device of this.#devices) device.makeDurable()
    ;[this.#engine, this.#elsewhere] = this.#open()
  }

  check(): string[] {
    return this.#engine.client.check()
  }

  checkQuiet(): string[] {
    return this.#engine.checkQuiet()
  }

  #open(): [InlineEngine, Client] {
    const { blocks, dirtyLimit, isSplit, policy } = this.#setup
    const engine = new InlineEngine({
      blocks,
      dirtyLimit,
      policy,
      writeOrder: WRITE_ORDER,
      partitions: Object.fromEntries(
        this.partitions.map(({ name, blockSize }, i) => [
          name,
          { device: this.#devices[i]!, blockSize, ...(isSplit ? { group: name } : {}) },
        ]),
      ),
    })
    return [engine, engine.attach()]
  }

  #before(partition: number, call: DeviceCall): void {
    if (this.#armed.delete(`${partition} ${call.kind}`)) {
      this.failures++
      if (call.kind === 'sync') this.history.lost(partition)
      throw Object.assign(new Error('a failure for the test'), { code: 'EIO', errno: -5 })
    }
    if (call.kind === 'sync') this.history.sync(partition)
    if (call.kind !== 'write') return
    try {
      this.history.write(partition, call.position / this.partitions[partition]!.blockSize, call.bytes)
    } catch (error) {
      this.breach ??= error
    }
    const inner = this.duringWrite
    this.duringWrite = undefined
    inner?.()
  }

  #part(bytes: Uint8Array, partition: number, block: number): Uint8Array {
    const { blockSize } = this.partitions[partition]!
    return bytes.subarray(block * blockSize, (block + 1) * blockSize)
  }
}
