/**
 * Makes a copy of the compiled engine with seeded mistakes, below build/variants/. It has a package.json of its own, so
 * that `#atomics` leads into the copy.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Variant } from './variants.js'

/** Makes the copy; returns the folder of its compiled files. @throws if a text does not occur exactly once */
export function makeVariant(root: string, { name, edits }: Variant): string {
  const folder = join(root, 'build', 'variants', name)
  const dist = join(folder, 'dist')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(dist, { recursive: true })
  for (const layer of ['core', 'shared'])
    cpSync(join(root, 'dist', layer), join(dist, layer), { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      type: 'module',
      imports: { '#atomics': './dist/shared/atomics.js', '#dist/*': './dist/*' },
    }),
  )
  for (const { file, find, replace } of edits) {
    const path = join(dist, file)
    const parts = readFileSync(path, 'utf8').split(find)
    if (parts.length !== 2) {
      throw new Error(
        `variant ${name} is out of date: its text occurs ${parts.length - 1} times in ${file}: ${find}`,
      )
    }
    writeFileSync(path, parts.join(replace))
  }
  return dist
}
