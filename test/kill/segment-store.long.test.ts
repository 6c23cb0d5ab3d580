// @deadline 3000
// The segment store of the examples survives 200 times of SIGKILL, also while segments are added and deleted.

import { test } from 'uvu'
import { killTheStore } from './segment-store.js'

test('after SIGKILL the store has every acknowledged record that was not deleted', () => {
  killTheStore(200)
})

test.run()
