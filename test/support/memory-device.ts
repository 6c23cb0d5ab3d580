// A device in memory, for tests of the core. It keeps written and durable contents apart, so that a test can inspect what a
// crash would leave, and a test can make it fail.

import type { Device } from '#dist/core/device/device.js'

/** A call of the device, before it takes effect. */
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
  /** The contents that a read returns: everything that was written. */
  readonly written: Uint8Array<SharedArrayBuffer>
  /** The contents after a crash that loses everything not synced. */
  readonly durable: Uint8Array<SharedArrayBuffer>
  /** The writes since the last sync, in order: a crash may keep any of them. */
  pending: PendingWrite[] = []
  /** Called before each call takes effect; an error that it throws is thrown by the call. */
  before: ((call: DeviceCall) => void) | undefined

  constructor(sizeBytes: number) {
    this.written = new Uint8Array(new SharedArrayBuffer(sizeBytes))
    this.durable = new Uint8Array(new SharedArrayBuffer(sizeBytes))
  }

  get sizeBytes(): number {
    return this.written.length
  }

  /** Sets the initial contents. */
  prepare(bytes: Uint8Array, position = 0): void {
    this.written.set(bytes, position)
    this.durable.set(bytes, position)
  }

  /** Makes all writes durable, whatever syncs have failed, as an orderly restart of the system does. */
  makeDurable(): void {
    this.durable.set(this.written)
    this.pending = []
  }

  /** Each target is a separate read, so that one in the middle of a run may fail. */
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

  /** Each source is a separate write, so that a crash may keep any of them. */
  writeSync(sources: readonly Uint8Array[], position: number): void {
    let at = position
    for (const source of sources) {
      const bytes = new Uint8Array(source) // slice() of a Buffer would share its memory
      this.before?.({ kind: 'write', position: at, bytes })
      this.#assertInside(at, bytes.length)
      this.written.set(bytes, at)
      this.pending.push({ position: at, bytes })
      at += bytes.length
    }
  }

  /** When it fails, the pending writes never become durable, as on Linux, which reports a failed fsync once. */
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
