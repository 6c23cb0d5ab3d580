// @deadline 900
// The program of examples/sqlite: four threads for 3 s, and SIGKILL at random moments. Each time the whole database is checked.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { fillAndVerify, killTheProgram } from './programs.js'

test('after four threads the database is whole', () => {
  fillAndVerify('sqlite', sized(1, 3))
})

test('after SIGKILL the database is whole, and has every acknowledged row', () => {
  killTheProgram('sqlite', sized(1, 2))
})

test.run()
