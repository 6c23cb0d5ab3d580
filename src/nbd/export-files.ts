/**
 * Looks at the file of an export before the cache opens it, and later for another size. The cache's own messages speak of the
 * arguments of its calls; these tell the user of the command line what to do.
 */
import { type BigIntStats, statSync } from 'node:fs'
import type { ExportSettings } from './messages.js'

export interface FileFacts {
  /** Differs if another file has taken the path. */
  readonly identity: string
  /** Undefined for a device, which does not tell. */
  readonly sizeBytes: number | undefined
}

/** @throws with a message for the user */
export function factsOf({ path, blockSize }: ExportSettings): FileFacts {
  const refusal = (what: string) => new Error(`${path}: ${what} (ERR_DCACHE_BAD_FILE)`)
  let found: BigIntStats | undefined
  try {
    found = statSync(path, { throwIfNoEntry: false, bigint: true })
  } catch (cause) {
    throw refusal((cause as Error).message)
  }
  if (found === undefined)
    throw refusal('there is no such file; create it first, with its size: truncate -s SIZE PATH')
  const identity = `${found.dev}-${found.ino}`
  if (!found.isFile()) return { identity, sizeBytes: undefined }
  const sizeBytes = Number(found.size)
  if (sizeBytes === 0) throw refusal('the file is empty; give it its size first: truncate -s SIZE PATH')
  if (sizeBytes % blockSize !== 0 && blockSize % 512 === 0)
    throw refusal(
      `its size of ${sizeBytes} bytes is no multiple of the block size of ${blockSize} bytes; change it ` +
        'with truncate, or choose a block size that divides it: NAME=PATH:BLOCKSIZE',
    )
  return { identity, sizeBytes }
}
