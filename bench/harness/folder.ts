/**
 * A temporary folder that is removed when the benchmark ends, also after an interrupt.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where files are in memory: a file system on which neither a write nor an fsync waits for a device. */
export const IN_MEMORY = '/dev/shm'

/** The parents of folders for files, by name: the file system of the temporary folder, and memory where it is mounted. */
export function filePlaces(leftOut: string[]): ReadonlyMap<string, string> {
  const places = new Map([['disk', tmpdir()]])
  if (existsSync(IN_MEMORY)) places.set(IN_MEMORY, IN_MEMORY)
  else leftOut.push(`${IN_MEMORY}: there is no such folder here`)
  return places
}

export interface Folder extends Disposable {
  path(name: string): string
}

export function makeFolder(parent = tmpdir()): Folder {
  const folder = mkdtempSync(join(parent, 'dcache-bench-'))
  const remove = () => {
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', remove)
  return {
    path: (name) => join(folder, name),
    [Symbol.dispose]() {
      process.off('exit', remove)
      remove()
    },
  }
}
