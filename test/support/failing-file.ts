// A partition whose writes fail with EBADF until they are repaired, in a cache with real files and threads: its record gets a
// descriptor that cannot be written, before any thread that writes has looked at it.

import { closeSync, openSync } from 'node:fs'
import type { Arena } from '#dist/shared/arena.js'
import { Partition } from '#dist/shared/words.js'
import * as assert from 'uvu/assert'

export interface FailingFile extends Disposable {
  /** Makes the descriptor one that can be written. */
  repair(): void
}

/** To be called before the first change of the partition. */
export function failWrites(arena: Arena, partition: number, path: string): FailingFile {
  const at = arena.partitionAt(partition) + Partition.fd
  const own = arena.words[at]!
  const fd = openSync(path, 'r')
  arena.words[at] = fd
  return {
    repair() {
      closeSync(fd)
      // The system gives the smallest number that is free.
      assert.is(openSync(path, 'r+'), fd)
    },
    [Symbol.dispose]() {
      arena.words[at] = own
      closeSync(fd)
    },
  }
}
