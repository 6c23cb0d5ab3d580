// @deadline 900
// A process with a cache under load is killed 200 times, and its files are verified from outside each time.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { tempFolder } from '../support/temp.js'
import { killAgainAndAgain } from './kill.js'

test('after SIGKILL every acknowledged change is in the files, and the write order holds', async () => {
  using folder = tempFolder()
  const { lives, acknowledged } = await killAgainAndAgain(folder.path, 200, Math.random)
  console.log(`# ${lives} kills, ${acknowledged} flushes acknowledged`)
  assert.ok(acknowledged >= lives)
})

test.run()
