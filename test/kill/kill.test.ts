// @deadline 200
// A process with a cache under load is killed 20 times, 3 at the small size, and its files are verified from outside each time.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { sized } from '../support/size.js'
import { tempFolder } from '../support/temp.js'
import { killAgainAndAgain } from './kill.js'

test('after SIGKILL every acknowledged change is in the files, and the write order holds', async () => {
  using folder = tempFolder()
  const { lives, acknowledged } = await killAgainAndAgain(folder.path, sized(1, 20), Math.random)
  console.log(`# ${lives} kills, ${acknowledged} flushes acknowledged`)
  assert.ok(acknowledged >= lives)
})

test.run()
