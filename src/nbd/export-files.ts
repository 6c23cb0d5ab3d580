/**
 * Checks the files of the exports before the cache is opened. The cache's own messages speak of the arguments of
 * `openCache`; these tell the user of the command line what to do.
 */
import { statSync } from 'node:fs'
import type { ExportSettings } from './messages.js'

/** @throws with a message for the user */
export function assertServableFiles(exports: readonly ExportSettings[]): void {
  for (const { name, path, blockSize } of exports) {
    const found = statSync(path, { throwIfNoEntry: false })
    const refuse = (what: string) => {
      throw new Error(`--export ${name}=${path}: ${what} (ERR_DCACHE_BAD_FILE)`)
    }
    if (found === undefined)
      refuse('there is no such file; create it first, with its size: truncate -s SIZE PATH')
    else if (!found.isFile()) continue
    else if (found.size === 0) refuse('the file is empty; give it its size first: truncate -s SIZE PATH')
    else if (found.size % blockSize !== 0 && blockSize % 512 === 0) {
      refuse(
        `its size of ${found.size} bytes is no multiple of the block size of ${blockSize} bytes; extend ` +
          'the file with truncate, or choose a block size that divides it: NAME=PATH:BLOCKSIZE',
      )
    }
  }
}
