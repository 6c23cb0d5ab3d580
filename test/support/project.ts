// The project's own files, for tests that read them.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder; compiled, this file is build/test/support/project.js in it. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url))

/** The text of every TypeScript file of src/ or another folder, by its path in that folder, with `/` as separator. */
export function readSources(folder = 'src'): Map<string, string> {
  const source = join(projectRoot, folder)
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' })
  return new Map(
    names
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .map((name) => [name.replaceAll('\\', '/'), readFileSync(join(source, name), 'utf8')]),
  )
}
