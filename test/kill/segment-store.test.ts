// @deadline 300
// The segment store of the examples survives SIGKILL, also while segments are added and deleted.

import { test } from 'uvu'
import { sized } from '../support/size.js'
import { killTheStore } from './segment-store.js'

test('after SIGKILL the store has every acknowledged record that was not deleted', () => {
  killTheStore(sized(2, 12))
})

test.run()
