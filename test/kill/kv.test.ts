// @deadline 900
// The program of examples/kv: four threads for 3 s, and SIGKILL at random moments. Each time the whole store is checked.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { fillAndVerify, killTheProgram } from './programs.js'

test('after four threads the store is whole', () => {
  fillAndVerify('kv', sized(1, 3))
})

test('after SIGKILL the store is whole, and has every acknowledged key', () => {
  killTheProgram('kv', sized(1, 3))
})

test.run()
