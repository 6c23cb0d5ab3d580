// Changed copies of the compiled code: with a seeded mistake that the explorer must find, with a point before every plain
// store to the shared words, or with a weak memory. Each is a package of its own below build/variants/, so that its `#atomics` is the scheduler's
// too.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Edit, MISTAKES } from './mistakes.js'
import { withPlainCalls } from './plain-calls.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface Variant {
  /** The folder of the code, as a URL that ends with a slash. */
  readonly dist: string
  remove(): void
}

/** The explorer's clock does not advance, so that no waiter has waited long. In this variant every waiter has. */
const OFFERS: Edit = {
  file: 'shared/latch-server.js',
  from: 'msSince(since) >= OFFER_MS',
  to: 'since === since',
}

/**
 * The code to explore: '' is dist/ itself, 'stores' has points before plain stores, 'weak' has its plain accesses in the weak
 * memory, 'offers' hands a latch with waiters over at each release, and a mistake's name has that mistake;
 * 'stores+offers+NAME' has all of it.
 */
export function prepareVariant(name: string): Variant {
  if (name === '') return { dist: pathToFileURL(join(root, 'dist/')).href, remove: () => undefined }
  const parts = name.split('+')
  // Named by the process, so that concurrent runs do not share a folder.
  const folder = join(root, 'build', 'variants', `${name}.${process.pid}`)
  rmSync(folder, { recursive: true, force: true })
  for (const part of ['shared', 'core'])
    cpSync(join(root, 'dist', part), join(folder, 'dist', part), {
      recursive: true,
      filter: (path) => !path.endsWith('.d.ts'),
    })
  for (const part of parts)
    if (part === 'offers') applyEdit(folder, part, OFFERS)
    else if (part !== 'stores' && part !== 'weak') applyMistake(folder, part)
  const accesses = { stores: parts.includes('stores'), weak: parts.includes('weak') }
  if (accesses.stores || accesses.weak) withPlainCalls(join(folder, 'dist'), accesses)
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', imports: { '#atomics': './atomics.js' } }),
  )
  const atomics = pathToFileURL(join(root, 'build/test/sched/atomics.js')).href
  mkdirSync(dirname(folder), { recursive: true })
  writeFileSync(join(folder, 'atomics.js'), `export * from '${atomics}'\n`)
  return {
    dist: pathToFileURL(join(folder, 'dist/')).href,
    remove: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function applyMistake(folder: string, name: string): void {
  const mistake = MISTAKES[name]
  if (mistake === undefined)
    throw new Error(`no mistake ${name}; there are ${Object.keys(MISTAKES).join(', ')}`)
  for (const edit of mistake.edits) applyEdit(folder, name, edit)
}

/** The text to be replaced must occur exactly once: otherwise the change is no longer the intended one. */
function applyEdit(folder: string, name: string, { file, from, to }: Edit): void {
  const path = join(folder, 'dist', file)
  const text = readFileSync(path, 'utf8')
  const times = text.split(from).length - 1
  if (times !== 1) throw new Error(`variant ${name}: its text occurs ${times} times in ${file}`)
  writeFileSync(
    path,
    text.replace(from, () => to),
  )
}
