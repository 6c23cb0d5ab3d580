/**
 * Copies of the engine with a part changed, for example with a mechanism removed, to measure its cost. The shipped code
 * has no switch for this. Instead, pieces of the compiled files are replaced in a copy, and each piece must occur exactly
 * once.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export interface Edit {
  /** Within dist/. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Removes nothing. The baseline is also a copy, so that it differs from the others only in the edits. */
export const UNCHANGED: readonly Edit[] = []

const dist = fileURLToPath(new URL('../..', import.meta.url))

/** Makes a copy in an empty folder. Returns the URL to import. @throws if a piece does not occur exactly once */
export function copyEngine(folder: string, edits: readonly Edit[]): string {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  for (const part of ['index.js', 'shared', 'core', 'workers'])
    cpSync(join(dist, part), join(folder, 'dist', part), { recursive: true })
  const comlink = dirname(createRequire(import.meta.url).resolve('comlink/package.json'))
  symlinkSync(comlink, join(folder, 'node_modules', 'comlink'))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, type: 'module', imports: { '#atomics': './dist/shared/atomics.js' } }),
  )
  for (const { file, find, replace } of edits) {
    const path = join(folder, 'dist', file)
    const parts = readFileSync(path, 'utf8').split(find)
    if (parts.length !== 2)
      throw new Error(
        `the edit is out of date: expected once in ${file}, but found ${parts.length - 1} times: ${find}`,
      )
    writeFileSync(path, parts.join(replace))
  }
  return pathToFileURL(join(folder, 'dist', 'index.js')).href
}
