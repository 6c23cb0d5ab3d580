// The compiled code to explore: as it is, or changed, with a seeded mistake that the explorer must find, with a point before
// every plain store to the shared words, or with a weak memory. All modules are joined in one file, which every thread of
// every body imports: that takes a fifth of the time of the files one by one. Its `#atomics` is the scheduler's.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { keyOf, MODULES } from './engine.js'
import { type Edit, MISTAKES } from './mistakes.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const dist = join(root, 'dist')

/** Named by the process, so that concurrent ones do not share it. */
const folder = join(root, 'build', 'variants', `sched.${process.pid}`)
process.once('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})

/** The explorer's clock does not advance, so that no waiter has waited long. In this variant every waiter has. */
const OFFERS: Edit = {
  file: 'shared/latch-server.js',
  from: 'msSince(since) >= OFFER_MS',
  to: 'since === since',
}

/** Whatever policy a body asks for, it has `adaptive`. */
const ADAPTIVE: readonly Edit[] = [
  { file: 'core/policy/policies.js', from: 'switch (name) {', to: 'switch ("adaptive") {' },
  { file: 'shared/layout.js', from: 'if (policy === "lru2") return 0;', to: 'policy = "adaptive";' },
]

const prepared = new Map<string, Promise<string>>()

/**
 * The file of the code to explore, as a URL: '' is dist/ as it is, 'stores' has points before plain stores, 'weak' has its
 * plain accesses in the weak memory, 'offers' hands a latch with waiters over at each release, 'adaptive' has that policy in every
 * body, and a mistake's name has that mistake; 'stores+offers+NAME' has all of it. It is made once, and removed when the process exits.
 */
export function prepareVariant(name: string): Promise<string> {
  const made = prepared.get(name) ?? makeVariant(name)
  prepared.set(name, made)
  return made
}

async function makeVariant(name: string): Promise<string> {
  const parts = name.split('+').filter(Boolean)
  const accesses = { stores: parts.includes('stores'), weak: parts.includes('weak') }
  const edited = editedTexts(name, parts.flatMap(editsOf))
  // It needs the TypeScript compiler, which takes half a second to load.
  const plainCalls = accesses.stores || accesses.weak ? await import('./plain-calls.js') : undefined
  const changes: Plugin = {
    name: 'changes',
    setup(esbuild) {
      const path = new URL('atomics.js', import.meta.url).href
      esbuild.onResolve({ filter: /^#atomics$/ }, () => ({ path, external: true }))
      esbuild.onLoad({ filter: /\.js$/ }, ({ path }) => {
        const text = edited.get(path) ?? readFileSync(path, 'utf8')
        return { contents: plainCalls?.withPlainCalls(text, accesses) ?? text }
      })
    },
  }
  const outfile = join(folder, `${name || 'plain'}.mjs`)
  await build({
    stdin: {
      contents: MODULES.map((module) => `export * as ${keyOf(module)} from './${module}.js'`).join('\n'),
      resolveDir: dist,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    plugins: [changes],
    outfile,
    logLevel: 'silent',
  })
  return pathToFileURL(outfile).href
}

function editsOf(part: string): readonly Edit[] {
  if (part === 'stores' || part === 'weak') return []
  if (part === 'offers') return [OFFERS]
  if (part === 'adaptive') return ADAPTIVE
  const mistake = MISTAKES[part]
  if (mistake === undefined)
    throw new Error(`no mistake ${part}; there are ${Object.keys(MISTAKES).join(', ')}`)
  return mistake.edits
}

/**
 * The files with edits, by path. The text to be replaced must occur exactly once: otherwise the change is no longer the
 * intended one.
 */
function editedTexts(name: string, edits: readonly Edit[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const { file, from, to } of edits) {
    const path = join(dist, file)
    const text = texts.get(path) ?? readFileSync(path, 'utf8')
    const times = text.split(from).length - 1
    if (times !== 1) throw new Error(`variant ${name}: its text occurs ${times} times in ${file}`)
    texts.set(
      path,
      text.replace(from, () => to),
    )
  }
  return texts
}
