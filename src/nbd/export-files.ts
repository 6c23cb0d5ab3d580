/**
 * The files of exports, looked at before the cache is opened: its messages tell what to give `openCache`, and these what
 * to do on the command line.
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
        `${found.size} bytes are no multiple of the block size ${blockSize}; extend the file with truncate, or choose ` +
          'a block size that divides it: NAME=PATH:BLOCKSIZE',
      )
    }
  }
}
