/**
 * Crash exploration of the shipped engine: no disk that a crash may leave, at any moment of runs with real threads, breaks
 * the order promise or lacks a change that a flush acknowledged.
 */
// @deadline 400
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { projectRoot } from '../support/project.js'
import { sized } from '../support/size.js'
import { caseFolder, explore } from './explore.js'

const IMAGES = sized(5_000, 100_000)

test('no crash breaks a promise', async () => {
  const firstSeed = Date.now() % 1_000_000_000
  const { images, judged, runs, records, seconds, failure } = await explore({
    dist: join(projectRoot, 'dist'),
    firstSeed,
    images: IMAGES,
    leastRuns: sized(2, 30),
    limitMs: 200_000,
    operations: 500,
    patienceMs: 30_000,
    folder: caseFolder(projectRoot, 'shipped'),
  })
  console.log(
    `# ${images} distinct crash images, ${judged} judged, ${runs} runs from seed ${firstSeed}, ${records} records, ${seconds.toFixed(0)} s`,
  )
  assert.is(failure, undefined, failure)
  assert.ok(images >= IMAGES, `only ${images} images in time`)
})

test.run()
