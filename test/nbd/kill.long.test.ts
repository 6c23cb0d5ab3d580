// @deadline 900
// The server is killed under load and restarted, fifty times.

import { test } from 'uvu'
import { killRounds } from './kill.js'

test('all data flushed or written with FUA survives 50 kills under load', () => killRounds(50))

test.run()
