/**
 * The engine over groups with a journal, on disks that forget: after a crash at any call of a disk, and any crash of recovery, the
 * partitions hold exactly one cut, not older than the last flush that returned, and no commit in halves. Mistakes are found.
 */
// @deadline 1500
import { cpSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { sample, sized } from '../support/size.js'
import type * as LifeModule from './journaled-life.js'
import { JOURNALED_VARIANTS } from './journaled-variants.js'
import { makeVariant } from './variant-copy.js'
import type { Variant } from './variants.js'

type Life = typeof LifeModule

const IMAGES = sized(8_000, 100_000)
/** A mistake is found within this many images. */
const IMAGES_OF_MISTAKES = 30_000

const crashes = suite('groups with a journal')
const mistakes = suite('mistakes')

crashes(`recover exactly one cut in ${IMAGES} images`, async () => {
  const { runJournaled } = await import('./journaled-life.js')
  const { problem, images, lives, records } = await runJournaled({ firstSeed: 1, images: IMAGES })
  assert.is(problem, undefined)
  assert.ok(records > images / 10)
  console.log(`\n# ${images} images, ${lives} lives, ${records} records`)
})

/** The test itself in a copy that uses an engine with a mistake. */
async function lifeOf(variant: Variant): Promise<Life> {
  const folder = dirname(makeVariant(projectRoot, variant))
  for (const part of ['crash', 'support'])
    cpSync(join(projectRoot, 'build', 'test', part), join(folder, 'test', part), { recursive: true })
  return (await import(pathToFileURL(join(folder, 'test', 'crash', 'journaled-life.js')).href)) as Life
}

for (const variant of sample(JOURNALED_VARIANTS, 4))
  mistakes(`${variant.name} is found`, async () => {
    const { runJournaled } = await lifeOf(variant)
    const { problem, images } = await runJournaled({
      firstSeed: 1,
      images: IMAGES_OF_MISTAKES,
      looks: [0.02, 0.2],
    })
    assert.ok(problem !== undefined, `${variant.name} is not found in ${images} images`)
    console.log(`\n# ${variant.name}: after ${images} images: ${problem.slice(0, 160)}`)
  })

crashes.run()
mistakes.run()
