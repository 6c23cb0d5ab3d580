/**
 * Crash exploration as in explorer.test.ts, with ten times as many images and longer runs.
 */
// @deadline 3000
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { projectRoot } from '../support/project.js'
import { caseFolder, explore } from './explore.js'

test('no crash breaks a promise, in a million images', async () => {
  const firstSeed = Date.now() % 1_000_000_000
  const { images, judged, runs, records, seconds, failure } = await explore({
    dist: join(projectRoot, 'dist'),
    firstSeed,
    images: 1_000_000,
    leastRuns: 150,
    limitMs: 2_000_000,
    operations: 1500,
    patienceMs: 30_000,
    folder: caseFolder(projectRoot, 'shipped'),
  })
  console.log(
    `# ${images} distinct crash images, ${judged} judged, ${runs} runs from seed ${firstSeed}, ${records} records, ${seconds.toFixed(0)} s`,
  )
  assert.is(failure, undefined, failure)
  assert.ok(images >= 1_000_000, `only ${images} images in time`)
})

test.run()
