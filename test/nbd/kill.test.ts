// @deadline 240
// A few rounds of kill.long.test.ts.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { killRounds } from './kill.js'

test('all data flushed or written with FUA survives kills under load', () => killRounds(sized(1, 5)))
test('the same holds with a journal', () => killRounds(sized(1, 3), '1MiB'))

test.run()
