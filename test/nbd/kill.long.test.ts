// @deadline 1800
// The server is killed under load and restarted, fifty times without and with a journal.

import { test } from 'uvu'
import { killRounds } from './kill.js'

test('all data flushed or written with FUA survives 50 kills under load', () => killRounds(50))
test('all of it survives 50 kills with a journal', () => killRounds(50, '1MiB'))

test.run()
