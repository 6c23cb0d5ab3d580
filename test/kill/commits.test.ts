// @deadline 300
// A process that commits to a group with a journal is killed 10 times, 3 at the small size.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sized } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { killCommits } from './commits.js'

const KILLS = sized(3, 10)

test(`commits are whole and flushed ones there after ${KILLS} kills`, async () => {
  using folder = tempFolder()
  const { acknowledged, recoveries } = await killCommits(folder.path, KILLS, Math.random)
  assert.ok(acknowledged > 0)
  console.log(`\n# ${KILLS} kills, ${acknowledged} flushes acknowledged, ${recoveries} recoveries`)
})

test.run()
