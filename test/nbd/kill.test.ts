// @deadline 120
// A few rounds of kill.long.test.ts.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { killRounds } from './kill.js'

test('all data flushed or written with FUA survives kills under load', () => killRounds(sized(1, 5)))

test.run()
