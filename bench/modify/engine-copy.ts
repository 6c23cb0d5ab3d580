/**
 * Copies of the engine with something taken out of it, to measure what that costs. The shipped code has no switch: texts
 * of the compiled files are replaced in a copy, and each must be there exactly once.
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

const inHit = (find: string, replace = ''): Edit => ({ file: 'core/blocks/hit.js', find, replace })
const inHitPath = (find: string): Edit => ({ file: 'core/client/hit-path.js', find, replace: '' })

/** Nothing is taken out: for what is compared with the others, so that both are copies. */
export const UNCHANGED: readonly Edit[] = []

/** Pins of hits are not journaled: a thread that dies leaves its pins. */
export const NO_JOURNAL: readonly Edit[] = [
  inHitPath('words[entry] = frame << 2 | 1 /* TAKING */;'),
  inHitPath('words[entry] = 0 /* FREE */;'),
  inHitPath('words[entry] = frame << 2 | 2 /* HELD */;'),
  inHit('words[entry] = frame << 2 | 1 /* TAKING */;'),
  inHit('words[entry] = 0 /* FREE */;\n    return false;', 'return false;'),
  inHit('words[entry] = frame << 2 | 2 /* HELD */;'),
  inHit('words[entry] = frame << 2 | 3 /* GIVING */;'),
  inHit('  words[entry] = 0 /* FREE */;\n  if (', '  if ('),
]

/** No image is kept of a dirty block that is changed: no discard, and a thread that dies leaves half a change. */
export const NO_IMAGE: readonly Edit[] = [
  inHit('if (!tryLockRound(context, group)) return false;', 'return true;'),
]

const dist = fileURLToPath(new URL('../..', import.meta.url))

/** Makes a copy in an empty folder; what to import of it. @throws when a text is not there exactly once */
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
        `the copy has rotted: ${parts.length - 1} times in ${file}, where it should be once: ${find}`,
      )
    writeFileSync(path, parts.join(replace))
  }
  return pathToFileURL(join(folder, 'dist', 'index.js')).href
}
