/**
 * What the journal and its recovery need of a file. The owner uses it, whose event loop must not be blocked; the flush worker
 * writes records through a `Device` (core/device), which blocks.
 */
import { fsync, read, write } from 'node:fs'
import { promisify } from 'node:util'

/** Positions and lengths are bytes. A call does all that it was asked, or rejects with the system's error. */
export interface Storage {
  read(target: Uint8Array, position: number): Promise<void>
  write(source: Uint8Array, position: number): Promise<void>
  /** Resolves when everything that was written is durable. */
  sync(): Promise<void>
}

const readAsync = promisify(read)
const writeAsync = promisify(write)
const syncAsync = promisify(fsync)

/** A file, through a descriptor that is never closed here. A call of the system may do less than asked, and is repeated. */
export class FileStorage implements Storage {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < target.length;) {
      const { bytesRead } = await readAsync(this.#fd, target, done, target.length - done, position + done)
      if (bytesRead === 0) throw systemError('EIO', -5, `the file ends at byte ${position + done}`)
      done += bytesRead
    }
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < source.length;) {
      const { bytesWritten } = await writeAsync(this.#fd, source, done, source.length - done, position + done)
      if (bytesWritten === 0) throw systemError('ENOSPC', -28, 'the device accepts no more bytes')
      done += bytesWritten
    }
  }

  sync(): Promise<void> {
    return syncAsync(this.#fd)
  }
}

const systemError = (code: string, errno: number, message: string): NodeJS.ErrnoException =>
  Object.assign(new Error(message), { code, errno })
