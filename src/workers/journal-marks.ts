/**
 * Marks: a partition's file is raw bytes and does not show that a journal has changes of it. So each file that is written through
 * a journal has a mark next to it, a small file that names the journal, from before the first record until an orderly end:
 *
 *   journal created and durable -> mark created and durable -> records ... -> records erased -> mark removed
 *
 * So a whole record of a journal means that the files which it names have its mark, and a file without a mark misses nothing.
 * A cache that finds a mark opens the file only together with that journal. It costs one small file and two syncs for each
 * file at the first opening and at the orderly end.
 *
 * What it does not cover: block devices, which have no folder of their own; a file that is reached by a hard link in another
 * folder, or was renamed without its mark.
 */
import { open, readFileSync, realpathSync, rename, rm } from 'node:fs'
import { promisify } from 'node:util'
import { bad } from '../core/journal/recover.js'
import { FileStorage } from '../core/journal/storage.js'
import { CacheError } from '../shared/errors.js'
import { closeSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from './files.js'
import { isCode } from './open-file.js'

const openAsync = promisify(open)
const renameAsync = promisify(rename)
const rmAsync = promisify(rm)

const SUFFIX = '.dcache-journal'

export interface Mark {
  /** The id of the journal, in hexadecimal digits. */
  readonly id: string
  /** Where the journal was. */
  readonly journal: string
}

/** Where the mark of a file is: next to it, behind symbolic links. */
export const markPath = (path: string): string => `${realpathSync.native(path)}${SUFFIX}`

/** The mark of a file; undefined if it has none. @throws ERR_DCACHE_BAD_JOURNAL if it cannot be read */
export function readMark(path: string): Mark | undefined {
  const mark = markPath(path)
  let text: string
  try {
    text = readFileSync(mark, 'utf8')
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return undefined
    throw bad(mark, `this mark of a journal cannot be read: ${(cause as Error).message}`, cause)
  }
  const id = /^id: ([0-9a-f]{32})$/m.exec(text)?.[1]
  const journal = /^journal: (.*)$/m.exec(text)?.[1]
  if (id === undefined || journal === undefined)
    throw bad(
      mark,
      `this mark of a journal is damaged; restore it, or remove it if what the journal holds may be lost`,
    )
  return { id, journal: JSON.parse(journal) as string }
}

const textOf = ({ id, journal }: Mark): string =>
  [
    'This mark was made by dcache. The file next to it, whose name is this one without its end, belongs to a journal,',
    'which may have changes that are not in the file yet. Open both together, and copy all three together.',
    `journal: ${JSON.stringify(journal)}`,
    `id: ${id}`,
    '',
  ].join('\n')

/** The file of a partition, as far as marks are concerned. */
export interface MarkedFile {
  readonly identity: string
  /** Absolute. */
  readonly path: string
}

/** The marks that one journal has made or found. Partitions in one file share its mark. */
export class JournalMarks {
  readonly #mark: Mark
  readonly #files = new Map<string, { readonly path: string; readonly isNew: boolean; users: number }>()

  constructor(mark: Mark) {
    this.#mark = mark
  }

  /** Makes the mark of a file, unless it has one. It is durable when this resolves. @throws ERR_DCACHE_BAD_JOURNAL */
  async put({ identity, path }: MarkedFile): Promise<void> {
    const known = this.#files.get(identity)
    if (known !== undefined) {
      known.users++
      return
    }
    const mark = markPath(path)
    const isNew = readMark(path) === undefined
    if (isNew) await writeMark(mark, textOf(this.#mark))
    this.#files.set(identity, { path: mark, isNew, users: 1 })
  }

  /**
   * Removes the mark of a file with the last of its partitions. No record may have blocks of it any more.
   * @throws ERR_DCACHE_BAD_JOURNAL; the mark is forgotten also then
   */
  async remove(identity: string): Promise<void> {
    const known = this.#files.get(identity)
    if (known === undefined || --known.users > 0) return
    this.#files.delete(identity)
    await removeMark(known.path)
  }

  /** Removes all marks. The journal has no record any more. @throws ERR_DCACHE_BAD_JOURNAL for the first that stays */
  async removeAll(): Promise<void> {
    let failed: unknown
    for (const { path } of this.#files.values())
      await removeMark(path).catch((error: unknown) => (failed ??= error))
    this.#files.clear()
    if (failed !== undefined) throw failed as CacheError
  }

  /** Opening has failed: removes the marks that were made for it. No record was written. */
  async undo(): Promise<void> {
    for (const { path, isNew } of this.#files.values())
      if (isNew) await removeMark(path).catch(() => undefined)
    this.#files.clear()
  }
}

/** Under another name first: there is never half a mark. */
async function writeMark(mark: string, text: string): Promise<void> {
  const made = `${mark}.new`
  try {
    const fd = await openAsync(made, 'w', 0o666)
    try {
      const storage = new FileStorage(fd)
      await storage.write(Buffer.from(text), 0)
      await storage.sync()
    } finally {
      closeSync(fd)
    }
    await renameAsync(made, mark)
    await syncFolder(dirname(mark))
  } catch (cause) {
    await rmAsync(made, { force: true }).catch(() => undefined)
    throw new CacheError(
      'ERR_DCACHE_BAD_JOURNAL',
      `${mark}: this mark, which shows that a file belongs to a journal, cannot be made: ${(cause as Error).message}; ` +
        'a journal needs a folder that can be written, for each file of its partitions',
      { cause },
    )
  }
}

/** A mark that came back after a power cut would refuse a file that misses nothing, so the folder is synced. */
async function removeMark(mark: string): Promise<void> {
  try {
    await rmAsync(mark, { force: true })
    await syncFolder(dirname(mark))
  } catch (cause) {
    const why = `this mark of a journal cannot be removed: ${(cause as Error).message}`
    throw bad(mark, `${why}; the journal has nothing of the file any more, so remove it`, cause)
  }
}
