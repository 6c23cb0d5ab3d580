// A file in memory, for what reads and writes journals and partitions as the owner does.

import type { Storage } from '#dist/core/journal/storage.js'

export class MemoryStorage implements Storage {
  bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    if (position + target.length > this.bytes.length)
      throw Object.assign(new Error('the file ends'), { code: 'EIO' })
    target.set(this.bytes.subarray(position, position + target.length))
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.bytes.set(source, position)
  }

  async sync(): Promise<void> {}
}
