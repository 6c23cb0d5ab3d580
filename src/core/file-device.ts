/**
 * A partition in a file or on a block device, through the owner's descriptor. A call of the system may do less than
 * asked: every one is continued until all is done, or nothing more comes.
 */
import { fsyncSync, read, readSync, readv, readvSync, writeSync, writevSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Device } from './device.js'

const readAsync = promisify(read)
const readvAsync = promisify(readv)

export class FileDevice implements Device {
  readonly #fd: number
  readonly #offset: number

  /** `offset`: where in the file the partition begins, bytes. The descriptor is the owner's: it is never closed here. */
  constructor(fd: number, offset: number) {
    this.#fd = fd
    this.#offset = offset
  }

  readSync(targets: readonly Uint8Array[], position: number): void {
    let at = this.#offset + position
    for (let left = targets; left.length > 0;) {
      const [first] = left
      const count =
        left.length === 1 ? readSync(this.#fd, first!, 0, first!.length, at) : readvSync(this.#fd, left, at)
      if (count === 0) throw endOfFile(at - this.#offset)
      at += count
      left = rest(left, count)
    }
  }

  async read(targets: readonly Uint8Array[], position: number): Promise<void> {
    let at = this.#offset + position
    for (let left = targets; left.length > 0;) {
      const [first] = left
      const { bytesRead } =
        left.length === 1
          ? await readAsync(this.#fd, first!, 0, first!.length, at)
          : await readvAsync(this.#fd, left, at)
      if (bytesRead === 0) throw endOfFile(at - this.#offset)
      at += bytesRead
      left = rest(left, bytesRead)
    }
  }

  writeSync(sources: readonly Uint8Array[], position: number): void {
    let at = this.#offset + position
    for (let left = sources; left.length > 0;) {
      const [first] = left
      const count =
        left.length === 1 ? writeSync(this.#fd, first!, 0, first!.length, at) : writevSync(this.#fd, left, at)
      if (count === 0)
        throw Object.assign(new Error('the device takes no more bytes'), {
          code: 'ENOSPC',
          errno: -28,
          syscall: 'write',
        })
      at += count
      left = rest(left, count)
    }
  }

  syncSync(): void {
    fsyncSync(this.#fd)
  }
}

const NOTHING: readonly Uint8Array[] = []

/** What is left of buffers of which so many bytes are done. */
function rest(buffers: readonly Uint8Array[], done: number): readonly Uint8Array[] {
  if (buffers.length === 1 && done === buffers[0]!.length) return NOTHING
  let i = 0
  while (i < buffers.length && done >= buffers[i]!.length) done -= buffers[i++]!.length
  return done === 0 ? buffers.slice(i) : [buffers[i]!.subarray(done), ...buffers.slice(i + 1)]
}

function endOfFile(position: number): Error {
  const message = `the file ends at byte ${position} of the partition: it was cut after it was opened`
  return Object.assign(new Error(message), { code: 'EIO', errno: -5, syscall: 'read' })
}
