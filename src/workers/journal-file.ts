/**
 * The file of a journal: the owner opens or creates it, claims it against a second writer, and reads its header.
 *
 *   open or create --> claim --> does the path still lead there? --no--> close, open again
 *   readHeader --> create or resize, if need be --> keep --> close
 *   close without keep: removes a file that was created, then closes the descriptor and releases the claim
 *
 * As with the files of partitions (files.ts), only a file that this call has created and claimed is removed.
 */
import { closeSync, constants, fstatSync, ftruncate, openSync, rmSync } from 'node:fs'
import { promisify } from 'node:util'
import {
  decodeFileHeader,
  type FileHeader,
  fileBytesOf,
  type HalfIndex,
  JOURNAL_VERSION,
} from '../core/journal/file-header.js'
import { createJournal, eraseTorn, resizeJournal } from '../core/journal/owner-writes.js'
import { bad, unreadable } from '../core/journal/recover.js'
import type { HalfState } from '../core/journal/scan.js'
import { FileStorage } from '../core/journal/storage.js'
import { CacheError } from '../shared/errors.js'
import type { Claims } from './claims.js'
import { syncFolder } from './files.js'
import { identityAt, identityOf, isCode, placeToCreate, realFolder } from './open-file.js'

const truncate = promisify(ftruncate)

const ATTEMPTS_MAX = 10
const HEADER_BYTES = 512
const CHUNK_BYTES = 2 ** 20

export class JournalFile {
  /** What the journal is called in messages. */
  readonly what: string
  readonly path: string
  readonly #claims: Claims
  #fd = -1
  #identity = ''
  #hasClaim = false
  #created: string | undefined
  #isKept = false

  /** @param path absolute */
  constructor(group: string, path: string, claims: Claims) {
    this.what = `group '${group}': journal ${path}`
    this.path = path
    this.#claims = claims
  }

  get fd(): number {
    return this.#fd
  }
  get identity(): string {
    return this.#identity
  }
  get storage(): FileStorage {
    return new FileStorage(this.#fd)
  }

  /**
   * Opens or creates the file, and claims it. Called once; `close` must follow, also after a failure.
   * @throws ERR_DCACHE_BAD_FILE, ERR_DCACHE_READ_ONLY, ERR_DCACHE_IN_USE, ERR_DCACHE_UNSUPPORTED
   */
  async open(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const found = await this.#attempt().catch((error: unknown) => {
        throw this.#failed(error)
      })
      if (found) return
      this.#release()
    }
    throw this.#failed(
      new Error(`the path led to another file each of the ${ATTEMPTS_MAX} times that it was opened`),
    )
  }

  /** Returns false if the path leads to another file by now. */
  async #attempt(): Promise<boolean> {
    if (!this.#find()) return false
    this.#identity = identityOf(this.#fd)
    if (!fstatSync(this.#fd).isFile())
      throw new CacheError(
        'ERR_DCACHE_BAD_FILE',
        `${this.what}: it is not a file; a journal cannot be a device or a folder`,
      )
    await this.#claims.take(this.#identity, this.what, this.path)
    this.#hasClaim = true
    // Before the claim, another cache may have had it, and have removed or filled a file that it or this call had created.
    if (identityAt(this.path) !== this.#identity) return false
    if (fstatSync(this.#fd).size > 0) this.#created = undefined
    return true
  }

  #find(): boolean {
    const flags = constants.O_RDWR | constants.O_NONBLOCK
    try {
      this.#fd = openSync(this.path, flags)
      return true
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
    }
    const created = placeToCreate(this.path)
    try {
      this.#fd = openSync(created, flags | constants.O_CREAT | constants.O_EXCL, 0o666)
      this.#created = created
      return true
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false
      throw error
    }
  }

  /**
   * The header; undefined if the file is new: empty, or only zeros, because it was not finished.
   * @throws ERR_DCACHE_BAD_JOURNAL
   */
  async readHeader(): Promise<FileHeader | undefined> {
    const { size } = fstatSync(this.#fd)
    return readHeader(this.what, this.storage, size)
  }

  /** Makes a journal of a new file. @throws ERR_DCACHE_BAD_FILE if the system refuses it, for example ENOSPC */
  async create(header: FileHeader): Promise<void> {
    await this.#change(async () => {
      // The name first: a journal that has a header then also has a durable name.
      await syncFolder(realFolder(this.path))
      await truncate(this.#fd, 0)
      await createJournal(this.storage, header)
    })
  }

  /** Changes the size, and erases the records (`resizeJournal`). @throws ERR_DCACHE_BAD_FILE */
  async resize(from: FileHeader, to: FileHeader, newest: HalfIndex | undefined): Promise<void> {
    await this.#change(async () => {
      await resizeJournal(this.storage, from, to, newest)
      await truncate(this.#fd, fileBytesOf(to.halfBytes))
    })
  }

  /** Erases what is torn (`eraseTorn`). @throws ERR_DCACHE_BAD_FILE */
  async eraseTorn(header: FileHeader, halves: readonly HalfState[]): Promise<void> {
    await this.#change(() => eraseTorn(this.storage, header, halves))
  }

  async #change(calls: () => Promise<void>): Promise<void> {
    await calls().catch((error: unknown) => {
      throw this.#failed(error)
    })
  }

  /** Opening has succeeded: `close` does not remove the file. */
  keep(): void {
    this.#isKept = true
  }

  close(): void {
    if (this.#fd >= 0) this.#release()
  }

  /** Removes a file that this call created, closes the descriptor, and releases the claim, in this order. */
  #release(): void {
    const created = this.#created
    this.#created = undefined
    if (created !== undefined && !this.#isKept && this.#hasClaim && identityAt(created) === this.#identity)
      rmSync(created, { force: true })
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
    if (this.#hasClaim) this.#claims.release(this.#identity)
    this.#hasClaim = false
  }

  #failed(error: unknown): CacheError {
    if (error instanceof CacheError) return error
    const cause = error as NodeJS.ErrnoException
    const failed = (code: 'ERR_DCACHE_BAD_FILE' | 'ERR_DCACHE_READ_ONLY', why: string) =>
      new CacheError(code, `${this.what}: ${why}`, { cause })
    switch (cause.code) {
      case 'EACCES':
      case 'EROFS':
      case 'EPERM':
      case 'ERR_ACCESS_DENIED':
        return failed('ERR_DCACHE_READ_ONLY', `it may not be written (${cause.message}); a journal must be`)
      case 'ENOENT':
        return failed('ERR_DCACHE_BAD_FILE', 'there is no folder to create it in')
      case 'ENOSPC':
      case 'EDQUOT':
        return failed(
          'ERR_DCACHE_BAD_FILE',
          `the disk is full, or a quota is used up (${cause.message}); free space, or choose a smaller size`,
        )
      default:
        return failed('ERR_DCACHE_BAD_FILE', cause.message)
    }
  }
}

/**
 * The header of a journal file of `size` bytes; undefined if it is empty or has only zeros.
 * @param what the journal in messages
 * @throws ERR_DCACHE_BAD_JOURNAL
 */
export async function readHeader(
  what: string,
  storage: FileStorage,
  size: number,
): Promise<FileHeader | undefined> {
  try {
    const first = new Uint8Array(HEADER_BYTES)
    await storage.read(first.subarray(0, Math.min(size, HEADER_BYTES)), 0)
    const header = decodeFileHeader(first)
    if (header === 'none') {
      if (await hasOnlyZeros(storage, size)) return undefined
      throw bad(what, 'it is not a journal, and is not overwritten; choose another path')
    }
    if (header === 'damaged') throw bad(what, 'its header is damaged')
    if (header === 'version')
      throw bad(
        what,
        `it was written by another version of dcache; this one reads version ${JOURNAL_VERSION}`,
      )
    if (size < fileBytesOf(header.halfBytes))
      throw bad(what, `it has ${size} bytes, and had ${fileBytesOf(header.halfBytes)}; restore it`)
    return header
  } catch (error) {
    throw error instanceof CacheError ? error : unreadable(what, error)
  }
}

async function hasOnlyZeros(storage: FileStorage, size: number): Promise<boolean> {
  const chunk = new Uint8Array(CHUNK_BYTES)
  for (let at = 0; at < size; at += CHUNK_BYTES) {
    const part = chunk.subarray(0, Math.min(CHUNK_BYTES, size - at))
    await storage.read(part, at)
    if (part.some((byte) => byte !== 0)) return false
  }
  return true
}
