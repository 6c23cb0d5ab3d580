// @deadline 3600
// The program of examples/kv for longer: four threads for 60 s, and 50 times SIGKILL.

import { test } from 'uvu'
import { fillAndVerify, killTheProgram } from './programs.js'

test('after four threads the store is whole', () => {
  fillAndVerify('kv', 60)
})

test('after SIGKILL the store is whole, and has every acknowledged key', () => {
  killTheProgram('kv', 50)
})

test.run()
