// @deadline 120
// A few rounds of kill.long.test.ts.

import { test } from 'uvu'
import { killRounds } from './kill.js'

test('all data flushed or written with FUA survives 5 kills under load', () => killRounds(5))

test.run()
