// @deadline 900
// The server is killed under load and started again, fifty times.

import { test } from 'uvu'
import { killRounds } from './kill.js'

test('all that was flushed or written with FUA is there, 50 rounds', () => killRounds(50))

test.run()
