// @deadline 3600
// The program of examples/sqlite for longer: four threads for 60 s, and 50 times SIGKILL.

import { test } from 'uvu'
import { fillAndVerify, killTheProgram } from './programs.js'

test('after four threads the database is whole', () => {
  fillAndVerify('sqlite', 60)
})

test('after SIGKILL the database is whole, and has every acknowledged row', () => {
  killTheProgram('sqlite', 50)
})

test.run()
