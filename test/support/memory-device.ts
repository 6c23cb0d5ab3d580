// A device in memory, for tests of the core: it keeps apart what was written and what is durable, so that a test can
// look at what a crash would leave, and it can be told to fail.

import type { Device } from '#dist/core/device/device.js'

/** A call that changes the device, before it does. */
export type DeviceCall =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'sync' }
  | { readonly kind: 'read'; readonly position: number }

/** A write that no sync has made durable yet. */
export interface PendingWrite {
  readonly position: number
  readonly bytes: Uint8Array
}

export class MemoryDevice implements Device {
  /** What a read gives: everything that was written. */
  readonly written: Uint8Array<SharedArrayBuffer>
  /** What is left after a crash that loses all that was not synced. */
  readonly durable: Uint8Array<SharedArrayBuffer>
  /** The writes since the last sync, in their order: a crash may keep any of them. */
  pending: PendingWrite[] = []
  /** Is told of every call before it takes effect; what it throws, the call throws. */
  before: ((call: DeviceCall) => void) | undefined

  constructor(sizeBytes: number) {
    this.written = new Uint8Array(new SharedArrayBuffer(sizeBytes))
    this.durable = new Uint8Array(new SharedArrayBuffer(sizeBytes))
  }

  get sizeBytes(): number {
    return this.written.length
  }

  /** Puts bytes on the device as if they had always been there. */
  prepare(bytes: Uint8Array, position = 0): void {
    this.written.set(bytes, position)
    this.durable.set(bytes, position)
  }

  /** What was written is there for good, whatever syncs have failed: as after a restart of the system in good order. */
  makeDurable(): void {
    this.durable.set(this.written)
    this.pending = []
  }

  /** Each target is a read of its own: one in the middle of a run may fail. */
  readSync(targets: readonly Uint8Array[], position: number): void {
    let at = position
    for (const target of targets) {
      this.before?.({ kind: 'read', position: at })
      this.#assertInside(at, target.length)
      target.set(this.written.subarray(at, at + target.length))
      at += target.length
    }
  }

  async read(targets: readonly Uint8Array[], position: number): Promise<void> {
    await Promise.resolve()
    this.readSync(targets, position)
  }

  /** Each source is a write of its own: a crash may keep any of them. */
  writeSync(sources: readonly Uint8Array[], position: number): void {
    let at = position
    for (const source of sources) {
      const bytes = source.slice()
      this.before?.({ kind: 'write', position: at, bytes })
      this.#assertInside(at, bytes.length)
      this.written.set(bytes, at)
      this.pending.push({ position: at, bytes })
      at += bytes.length
    }
  }

  /** When it fails, the pending writes are never made durable: so does Linux, which reports a failed fsync once. */
  syncSync(): void {
    try {
      this.before?.({ kind: 'sync' })
    } catch (error) {
      this.pending = []
      throw error
    }
    for (const { position, bytes } of this.pending) this.durable.set(bytes, position)
    this.pending = []
  }

  #assertInside(position: number, length: number): void {
    if (position < 0 || position + length > this.sizeBytes)
      throw new Error(`${length} bytes at ${position} are not on a device of ${this.sizeBytes} bytes`)
  }
}
