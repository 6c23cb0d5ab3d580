// @deadline 14400
// The lives of journaled.test.ts, for a million different images.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runJournaled } from './journaled-life.js'

const IMAGES = 1_000_000
/** Others than those of journaled.test.ts. */
const FIRST_SEED = 1_000_000

test(`groups with a journal recover exactly one cut in ${IMAGES} images`, async () => {
  const { problem, images, lives, records } = await runJournaled({ firstSeed: FIRST_SEED, images: IMAGES })
  assert.is(problem, undefined)
  console.log(`\n# ${images} images, ${lives} lives, ${records} records`)
})

test.run()
