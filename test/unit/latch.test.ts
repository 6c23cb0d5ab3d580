// The latch word: each transition of latch.ts that is a single step.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  clearMarks,
  freeze,
  handOver,
  isFree,
  isLatched,
  leaveDowngraded,
  leaveLatched,
  pinsOf,
  thaw,
  tryLatch,
  tryPin,
  tryPinPastMarks,
  unpin,
  writerOf,
} from '#dist/shared/latch.js'
import { Latch } from '#dist/shared/words.js'

type Words = Int32Array<SharedArrayBuffer>
const AT = 3
const latched = (slot: number): number => (slot + 1) << 16

/** The latch word after an action that found `word`, and what the action returned. */
function after<T>(word: number, action: (words: Words) => T): [number, T] {
  const words = new Int32Array(new SharedArrayBuffer(64))
  words[AT] = word
  const result = action(words)
  return [words[AT], result]
}

test('the word consists of pins, marks and a holder', () => {
  assert.is(writerOf(0), -1)
  assert.is(writerOf(latched(0)), 0)
  assert.is(writerOf(latched(253) | Latch.MARKS | Latch.FROZEN | Latch.HANDED | 5), 253)
  assert.is(pinsOf(latched(253) | 7), 7)
  assert.is(latched(254) & ~Latch.WRITER, 0, 'every slot fits')
  assert.ok(isFree(Latch.MARKS), 'marks do not matter')
  for (const word of [1, latched(3), Latch.FROZEN, Latch.HANDED, latched(3) | Latch.HANDED])
    assert.not.ok(isFree(word))
  assert.ok(isLatched(latched(3) | Latch.MARKS))
  assert.not.ok(isLatched(latched(3) | Latch.HANDED), 'an offer is no hold')
})

test('a pin needs a word without a writer, marks or an offer', () => {
  const pin = (words: Words) => tryPin(words, AT)
  assert.equal(after(0, pin), [1, true])
  assert.equal(after(41, pin), [42, true])
  for (const word of [
    latched(0),
    Latch.FROZEN,
    3 | Latch.FROZEN,
    3 | Latch.MARK_WRITER,
    3 | Latch.MARK_READER,
    Latch.MARK_WRITER,
    Latch.HANDED,
    latched(2) | Latch.HANDED,
  ])
    assert.equal(after(word, pin), [word, false])
})

test('a pin past marks accepts an offer to readers, and is refused by a writer or a frozen word', () => {
  const pin = (words: Words) => tryPinPastMarks(words, AT)
  assert.equal(after(0, pin), [1, true])
  assert.equal(after(3 | Latch.MARKS, pin), [4 | Latch.MARKS, true])
  assert.equal(after(Latch.HANDED | Latch.MARK_WRITER, pin), [1 | Latch.MARK_WRITER, true])
  for (const word of [latched(0), latched(5) | Latch.MARKS, latched(5) | Latch.HANDED, 3 | Latch.FROZEN])
    assert.equal(after(word, pin), [word, false])
})

test('the exclusive latch needs a free word, with or without marks', () => {
  const latch = (words: Words) => tryLatch(words, AT, 6)
  assert.equal(after(0, latch), [latched(6), true])
  assert.equal(after(Latch.MARKS, latch), [latched(6) | Latch.MARKS, true])
  for (const word of [
    1,
    3 | Latch.MARK_WRITER,
    latched(6),
    latched(0) | Latch.MARK_READER,
    Latch.FROZEN,
    Latch.HANDED,
    latched(6) | Latch.HANDED,
  ])
    // prettier-ignore
    assert.equal(after(word, latch), [word, false])
})

test('only the last pin to leave marks behind must serve the queue', () => {
  const leave = (words: Words) => unpin(words, AT)
  assert.equal(after(1, leave), [0, false])
  assert.equal(after(3, leave), [2, false])
  assert.equal(after(1 | Latch.MARK_WRITER, leave), [Latch.MARK_WRITER, true])
  assert.equal(after(1 | Latch.MARK_READER, leave), [Latch.MARK_READER, true])
  assert.equal(after(2 | Latch.MARK_WRITER, leave), [1 | Latch.MARK_WRITER, false])
  assert.equal(after(Latch.PINS, leave), [Latch.PINS - 1, false])
})

test('the exclusive latch is released in one step only if there is no mark', () => {
  const leave = (words: Words) => leaveLatched(words, AT)
  assert.equal(after(latched(3), leave), [0, true])
  assert.equal(after(latched(3) | Latch.FROZEN, leave), [Latch.FROZEN, true])
  for (const mark of [Latch.MARK_READER, Latch.MARK_WRITER])
    assert.equal(after(latched(3) | mark, leave), [latched(3) | mark, false])
  const lower = (words: Words) => leaveDowngraded(words, AT)
  assert.equal(after(latched(3), lower), [1, true])
  assert.equal(after(latched(3) | Latch.MARK_READER, lower), [latched(3) | Latch.MARK_READER, false])
})

test('a latch or an offer passes from slot to slot with its marks', () => {
  const hand = (words: Words) => handOver(words, AT, 9)
  assert.is(after(latched(3), hand)[0], latched(9))
  assert.is(after(latched(252) | Latch.MARKS, hand)[0], latched(9) | Latch.MARKS)
  assert.is(after(latched(3) | Latch.HANDED | Latch.MARKS, hand)[0], latched(9) | Latch.MARKS)
})

test('the reaper freezes, counts and thaws the word, and marks stay', () => {
  const marked = 3 | Latch.MARK_WRITER
  assert.is(after(marked, (words) => freeze(words, AT))[0], marked | Latch.FROZEN)
  const word = marked | Latch.FROZEN
  const toTwo = (words: Words): boolean => thaw(words, AT, word, 2)
  assert.equal(after(word, toTwo), [2 | Latch.MARK_WRITER, true])
  assert.equal(after(word - 1, toTwo), [word - 1, false], 'a pin was released in the meantime')
  assert.is(after(word, (words) => clearMarks(words, AT))[0], 3 | Latch.FROZEN)
})

test.run()
