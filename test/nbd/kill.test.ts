// @deadline 120
// Few rounds of what kill.long.test.ts does at length.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { killRounds } from './kill.js'

test('the server is killed under load and started again: all that was flushed is there', () =>
  killRounds(sized(2, 5)))

test.run()
