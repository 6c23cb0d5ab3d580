// The compiled code to explore: as it is, or changed, with a seeded mistake that the explorer must find, with a point before
// every plain store to the shared words, or with a weak memory. All modules are joined in one file, which every thread of
// every body imports: that takes a fifth of the time of the files one by one. The file is a package of its own below
// build/variants/, so that its `#atomics` is the scheduler's.

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildSync } from 'esbuild'
import { keyOf, MODULES } from './engine.js'
import { type Edit, MISTAKES } from './mistakes.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))

export interface Variant {
  /** The file, as a URL. */
  readonly engine: string
  remove(): void
}

/** The explorer's clock does not advance, so that no waiter has waited long. In this variant every waiter has. */
const OFFERS: Edit = {
  file: 'shared/latch-server.js',
  from: 'msSince(since) >= OFFER_MS',
  to: 'since === since',
}

/**
 * The code to explore: '' is dist/ as it is, 'stores' has points before plain stores, 'weak' has its plain accesses in the weak
 * memory, 'offers' hands a latch with waiters over at each release, and a mistake's name has that mistake;
 * 'stores+offers+NAME' has all of it.
 */
export async function prepareVariant(name: string): Promise<Variant> {
  const parts = name.split('+').filter(Boolean)
  // Named by the process, so that concurrent runs do not share a folder.
  const folder = join(root, 'build', 'variants', `${name || 'plain'}.${process.pid}`)
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
  if (accesses.stores || accesses.weak) {
    // It needs the TypeScript compiler, which takes half a second to load.
    const { withPlainCalls } = await import('./plain-calls.js')
    withPlainCalls(join(folder, 'dist'), accesses)
  }
  const contents = MODULES.map((module) => `export * as ${keyOf(module)} from './dist/${module}.js'`)
  buildSync({
    stdin: { contents: contents.join('\n'), resolveDir: folder },
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['#atomics'],
    outfile: join(folder, 'engine.js'),
    logLevel: 'error',
  })
  const manifest = { type: 'module', imports: { '#atomics': './atomics.js' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const atomics = pathToFileURL(join(root, 'build/test/sched/atomics.js')).href
  writeFileSync(join(folder, 'atomics.js'), `export * from '${atomics}'\n`)
  return {
    engine: pathToFileURL(join(folder, 'engine.js')).href,
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
