/**
 * A temporary folder that is removed when the benchmark ends, also after an interrupt.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Folder extends Disposable {
  path(name: string): string
}

export function makeFolder(): Folder {
  const folder = mkdtempSync(join(tmpdir(), 'dcache-bench-'))
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
