// How src/ is built up: layers that import one way, one file that names Atomics, short files. Each
// check is also shown to find what it is there for.

import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { readSources } from '../support/project.js'
import {
  atomicsBreaches,
  benchBreaches,
  circleBreaches,
  importsOf,
  layerBreaches,
  lengthBreaches,
} from '../support/structure.js'

const sources = readSources()
const benchmarks = readSources('bench')

const checks = suite('the checks themselves')

/** Files of every layer, with one more, or one changed. */
function example(path: string, text: string): Map<string, string> {
  const names = [
    'shared/atomics',
    'core/engine',
    'core/blocks/frame',
    'core/client/client',
    'workers/io',
    'index',
    'nbd/server',
    'cli/main',
  ]
  return new Map([...names.map((name): [string, string] => [`${name}.ts`, '']), [path, text]])
}

checks('see every way to import', () => {
  const text = `
    import a from './a.js'
    import './b.js'
    import type { C } from './c.js'
    export * from './d.js'
    export { e } from './e.js'
    const f = await import('./f.js')
    type G = import('./g.js').G
    const h = import(name)
    // import './no.js'
    const text = "import './no.js'"
  `
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `./${name}.js`)
  assert.equal(importsOf(text), [...names, undefined])
})

checks('let the layers import what is below them', () => {
  const allowed = [
    ['shared/words.ts', `import { load } from '#atomics'; import './atomics.js'`],
    ['core/x.ts', `import './engine.js'; import '../shared/atomics.js'; import 'node:fs'`],
    ['workers/x.ts', `import '../core/engine.js'; import 'comlink'`],
    ['core/client/x.ts', `import '../engine.js'; import '../blocks/frame.js'; import './client.js'`],
    ['index.ts', `import './workers/io.js'; export * from './core/engine.js'`],
    ['nbd/x.ts', `import '../index.js'`],
    ['metrics/x.ts', `import '../index.js'; import '../shared/atomics.js'`],
    ['cli/x.ts', `import '../index.js'; import '../nbd/server.js'`],
  ] as const
  for (const [path, text] of allowed) assert.equal(layerBreaches(example(path, text)), [])
})

checks('find an import that runs the wrong way', () => {
  const refused = [
    ['shared/x.ts', `import '../core/engine.js'`],
    ['shared/x.ts', `import type { X } from '../index.js'`],
    ['core/x.ts', `export * from '../workers/io.js'`],
    ['workers/x.ts', `await import('../index.js')`],
    ['index.ts', `import './nbd/server.js'`],
    ['nbd/x.ts', `import '../cli/main.js'`],
    ['metrics/x.ts', `import '../core/engine.js'`],
    ['core/x.ts', `import '../support/temp.js'`],
    ['core/x.ts', `import '#dist/shared/atomics.js'`],
    ['cli/x.ts', `import 'dcache'`],
    ['core/x.ts', `await import(name)`],
    ['elsewhere/x.ts', ''],
    ['core/elsewhere/x.ts', ''],
    ['core/wait/x.ts', `import '../blocks/frame.js'`],
    ['core/blocks/x.ts', `import type { C } from '../client/client.js'`],
    ['core/x.ts', `import './blocks/frame.js'`],
  ] as const
  for (const [path, text] of refused) {
    assert.is(layerBreaches(example(path, text)).length, 1, `${path}: ${text}`)
  }
})

checks('find a circle, also of types', () => {
  const files = [
    ['core/a.ts', `import './b.js'`],
    ['core/b.ts', `import type { C } from './c.js'`],
    ['core/c.ts', `import '../shared/d.js'; export * from './b.js'`],
    ['shared/d.ts', ''],
  ] as const
  assert.equal(circleBreaches(new Map(files)), ['core/b.ts imports core/c.ts imports core/b.ts'])
  assert.equal(circleBreaches(new Map(files.slice(0, 2))), [])
})

checks('find a benchmark that leaves its folder', () => {
  const found = (text: string) => benchBreaches(new Map([['hit/x.ts', text], ['main.ts', '']])) // prettier-ignore
  for (const text of [
    `import 'dcache'`,
    `import '#dist/shared/mutex.js'`,
    `import '../main.js'`,
    `import(engine)`,
  ])
    assert.equal(found(text), [])
  assert.is(found(`import '../../src/index.js'`).length, 1)
})

checks('find Atomics in code, not in a comment', () => {
  const found = (path: string, text: string): number => atomicsBreaches(new Map([[path, text]])).length
  assert.is(found('core/x.ts', 'Atomics.load(words, 0)'), 1)
  assert.is(found('core/x.ts', `globalThis['Atomics']`), 1)
  assert.is(found('core/x.ts', 'const { wait } = Atomics'), 1)
  assert.is(found('core/x.ts', `import type { Atomics } from './y.js'`), 1)
  assert.is(found('core/x.ts', `// Atomics.load\nimport { load } from '#atomics'\nconst atomics = load`), 0)
  assert.is(found('shared/atomics.ts', 'Atomics.load(words, 0)'), 0)
})

checks('find a file that is too long', () => {
  assert.equal(lengthBreaches(new Map([['core/x.ts', 'x\n'.repeat(350)]])), [])
  assert.equal(lengthBreaches(new Map([['core/x.ts', 'x\n'.repeat(351)]])), ['core/x.ts has 351 lines'])
})

test('there are sources to check', () => {
  assert.ok(sources.has('index.ts'))
  assert.ok(sources.has('shared/atomics.ts'))
})

test('imports run one way', () => {
  assert.equal(layerBreaches(sources), [])
})

test('no file imports itself by way of others', () => {
  assert.equal(circleBreaches(sources), [])
  assert.equal(circleBreaches(benchmarks), [])
})

test('benchmarks use the package by its names', () => {
  assert.ok(benchmarks.has('main.ts'))
  assert.equal(benchBreaches(benchmarks), [])
})

test('only shared/atomics.ts names Atomics', () => {
  assert.equal(atomicsBreaches(sources), [])
})

test('no file is over 350 lines', () => {
  assert.equal(lengthBreaches(sources), [])
  assert.equal(lengthBreaches(benchmarks), [])
})

checks.run()
test.run()
