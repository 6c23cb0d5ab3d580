// @deadline 1800
// A process that commits to a group with a journal is killed 200 times.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tempFolder } from '../support/temp.js'
import { killCommits } from './commits.js'

const KILLS = 200

test(`commits are whole and flushed ones there after ${KILLS} kills`, async () => {
  using folder = tempFolder()
  const { acknowledged, recoveries } = await killCommits(folder.path, KILLS, Math.random)
  assert.ok(recoveries > KILLS / 2)
  console.log(`\n# ${KILLS} kills, ${acknowledged} flushes acknowledged, ${recoveries} recoveries`)
})

test.run()
