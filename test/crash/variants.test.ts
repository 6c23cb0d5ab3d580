/**
 * The explorer finds every mistake that is seeded in the engine. Without that, its verdict on the shipped engine would mean
 * little.
 */
// @deadline 900
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sample } from '../support/size.js'
import { projectRoot } from '../support/project.js'
import { caseFolder } from './explore.js'
import { makeVariant } from './variant-copy.js'
import { VARIANTS } from './variants.js'

/** How long the explorer may look for one mistake. Most are found in the first run. */
const SECONDS = 150
/** How long its clients wait for a block: a mistake may leave one latched for ever. */
const PATIENCE_MS = 3000

const program = fileURLToPath(new URL('run.js', import.meta.url))
const test = suite('seeded mistakes')

for (const variant of sample(VARIANTS, 2)) {
  test(`${variant.name} is found`, () => {
    const dist = makeVariant(projectRoot, variant)
    const folder = caseFolder(projectRoot, variant.name)
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [program, dist, folder, '1', String(SECONDS), String(PATIENCE_MS)],
      { encoding: 'utf8' },
    )
    assert.is(stderr, '')
    assert.is(status, 1, stdout)
    const [what, promise] = stdout.split('\n')
    console.log(
      `\n# ${variant.name}: ${what?.slice(0, 90)} ${promise?.trim().slice(0, 160)}; ${stdout.trimEnd().split('\n').at(-1)}`,
    )
  })
}

test('a variant whose text is missing is reported as out of date', () => {
  const edits = [{ file: 'core/write-back/writer.js', find: 'no such text', replace: '' }]
  assert.throws(() => makeVariant(projectRoot, { name: 'out-of-date', edits }), /is out of date/)
})

test.run()
