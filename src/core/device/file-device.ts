/**
 * A partition in a file or on a block device, accessed through the owner's descriptor. A system call may transfer less than
 * it was asked to, so it is repeated until everything is transferred, or no progress is made.
 */
import { fsyncSync, read, readSync, readv, readvSync, writeSync, writevSync } from 'node:fs'
import { promisify, types } from 'node:util'
import { alignedBytes } from '../../shared/buffer.js'
import type { Device } from './device.js'

const SECTOR = 512

const readAsync = promisify(read)
const readvAsync = promisify(readv)

export class FileDevice implements Device {
  readonly #fd: number
  readonly #offset: number
  readonly #isDirect: boolean
  /** Aligned memory for bytes that are not in the shared buffer; allocated when first needed. */
  #aligned: Uint8Array = new Uint8Array()

  /**
   * @param fd the owner's descriptor, which is never closed here
   * @param offset where the partition begins in the file, in bytes
   * @param isDirect whether the descriptor was opened with O_DIRECT
   */
  constructor(fd: number, offset: number, isDirect = false) {
    this.#fd = fd
    this.#offset = offset
    this.#isDirect = isDirect
  }

  readSync(targets: readonly Uint8Array[], position: number): void {
    let at = this.#offset + position
    for (let left = targets; left.length > 0;) {
      const first = left[0]!
      const count =
        left.length === 1 ? readSync(this.#fd, first, 0, first.length, at) : readvSync(this.#fd, left, at)
      if (count === 0 || this.#isCutShort(count)) throw endOfFile(at - this.#offset)
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
      if (bytesRead === 0 || this.#isCutShort(bytesRead)) throw endOfFile(at - this.#offset)
      at += bytesRead
      left = rest(left, bytesRead)
    }
  }

  writeSync(sources: readonly Uint8Array[], position: number): void {
    let at = this.#offset + position
    for (let left = this.#isDirect ? this.#align(sources) : sources; left.length > 0;) {
      const [first] = left
      const count =
        left.length === 1 ? writeSync(this.#fd, first!, 0, first!.length, at) : writevSync(this.#fd, left, at)
      if (count === 0)
        throw Object.assign(new Error('the device accepts no more bytes'), {
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

  /** A direct read ends inside a sector only at the end of the file, and cannot be continued there. */
  #isCutShort(count: number): boolean {
    return this.#isDirect && count % SECTOR !== 0
  }

  /** Frames and spares are aligned already. Other buffers, such as combined images, are copied to aligned memory. */
  #align(sources: readonly Uint8Array[]): readonly Uint8Array[] {
    const isShared = ({ buffer }: Uint8Array) => types.isSharedArrayBuffer(buffer)
    const bytes = sources.reduce((sum, source) => sum + (isShared(source) ? 0 : source.length), 0)
    if (bytes > this.#aligned.length) this.#aligned = alignedBytes(bytes)
    let at = 0
    return sources.map((source) => {
      if (isShared(source)) return source
      const copy = this.#aligned.subarray(at, at + source.length)
      copy.set(source)
      at += source.length
      return copy
    })
  }
}

const NOTHING: readonly Uint8Array[] = []

/** The rest of some buffers, after their first `done` bytes. */
function rest(buffers: readonly Uint8Array[], done: number): readonly Uint8Array[] {
  if (buffers.length === 1 && done === buffers[0]!.length) return NOTHING
  let i = 0
  while (i < buffers.length && done >= buffers[i]!.length) done -= buffers[i++]!.length
  return done === 0 ? buffers.slice(i) : [buffers[i]!.subarray(done), ...buffers.slice(i + 1)]
}

function endOfFile(position: number): Error {
  const message = `the file ends at byte ${position} of the partition; it was truncated after it was opened`
  return Object.assign(new Error(message), { code: 'EIO', errno: -5, syscall: 'read' })
}
