// Temporary folders for tests.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A folder that is removed with its contents at the end of the scope: `using folder = tempFolder()`. */
export interface TempFolder extends Disposable {
  readonly path: string
  /** Writes a file, creates its parent folders, and returns the full path. */
  write(name: string, text: string): string
}

export function tempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'dcache-test-'))
  return {
    path,
    write(name, text) {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      return file
    },
    [Symbol.dispose]() {
      rmSync(path, { recursive: true, force: true })
    },
  }
}
