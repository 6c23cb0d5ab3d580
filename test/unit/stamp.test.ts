// Stamps: class and epoch in one word, and the comparison of epochs across the wrap of their 25 bits.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  classOf,
  EPOCH_FENCED_MAX,
  EPOCH_MASK,
  epochDistance,
  epochOf,
  isAfter,
  isUnwritten,
  nextEpoch,
  previousEpoch,
  stampOf,
} from '#dist/shared/stamp.js'
import { State } from '#dist/shared/words.js'

const END = EPOCH_MASK + 1
const HALF = END / 2
const around = [0, 1, 2, HALF / 2, HALF - 1, HALF, HALF + 1, END - 2, END - 1]

test('a stamp contains its epoch and its class, and does not touch the flags', () => {
  for (const epoch of around) {
    for (let writeClass = 0; writeClass <= 7; writeClass++) {
      const stamp = stampOf(epoch, writeClass)
      assert.is(stamp, stamp | 0, 'one 32-bit word')
      assert.is(stamp & (State.ABSENT | State.CHANGING), 0)
      const flagged = stamp | State.ABSENT | State.CHANGING
      assert.equal([epochOf(flagged), classOf(flagged)], [epoch, writeClass])
      assert.is((flagged & State.CLASS_MASK) !== 0, writeClass !== 0)
    }
  }
})

test('epochs wrap', () => {
  assert.is(stampOf(EPOCH_MASK, 0) >>> State.EPOCH_SHIFT, EPOCH_MASK)
  assert.is(END, 2 ** (32 - State.EPOCH_SHIFT))
  assert.is(nextEpoch(END - 1), 0)
  assert.is(previousEpoch(0), END - 1)
  for (const epoch of around) assert.is(previousEpoch(nextEpoch(epoch)), epoch)
})

test('distances are right across the wrap, up to half the range', () => {
  for (const epoch of around) {
    for (const distance of [0, 1, 2, 1000, HALF / 2, HALF - 1]) {
      const later = (epoch + distance) % END
      assert.is(epochDistance(later, epoch), distance)
      assert.is(epochDistance(epoch, later), 0 - distance)
      assert.is(isAfter(later, epoch), distance > 0)
      assert.is(isAfter(epoch, later), false)
    }
  }
})

test('the oldest fence that is allowed is well within that range', () => {
  assert.ok(EPOCH_FENCED_MAX <= HALF / 2)
  assert.ok(isAfter((END - 5 + EPOCH_FENCED_MAX) % END, END - 5))
})

test('an image is unwritten when it is dirty and within the cut', () => {
  for (const cut of around) {
    assert.ok(isUnwritten(stampOf(cut, 1), cut))
    assert.ok(isUnwritten(stampOf(previousEpoch(cut), 7), cut))
    assert.not.ok(isUnwritten(stampOf(nextEpoch(cut), 1), cut))
    assert.not.ok(isUnwritten(stampOf(cut, 0), cut), 'clean')
    assert.ok(isUnwritten(stampOf(cut, 2) | State.CHANGING, cut))
  }
})

test.run()
