// Published waits: what other threads see of a thread's waiting calls, and how few records a scan reads.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { clockTicks } from '#dist/shared/clock.js'
import { OTHER_WAITS_MAX, WAITS_MAX } from '#dist/shared/layout.js'
import { attachSlot } from '#dist/shared/slot.js'
import { clearWaits, frameIn, isPublished, wakeAllWaits, wakeWait, waitsForFrame, waitsOf } from '#dist/shared/waits.js' // prettier-ignore
import { Slot, SlotState, Wait } from '#dist/shared/words.js'
import { smallArena } from '../support/small-context.js'

const kindsOf = (arena: ReturnType<typeof smallArena>, slot: number) =>
  waitsOf(arena, slot).map(({ kind, at }) => `${kind} ${at}`)

test('other threads see the waits of all tasks of a thread, and since when they last', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const before = clockTicks()
  const [first, second] = [{}, {}]
  slot.waits(first, 'spare', 4)
  slot.waits(second, 'read', 7, true)
  assert.equal(kindsOf(arena, 2), ['spare 4', 'read 7'])
  const [spare, read] = waitsOf(arena, 2)
  assert.equal([spare!.sleeps, read!.sleeps], [false, true])
  assert.ok(((spare!.since - before) | 0) >= 0)
  slot.waitsNoMore(second)
  assert.equal(kindsOf(arena, 2), ['spare 4'])
  assert.is(arena.words[slot.at + Slot.waitsEnd], 1)
  slot.waitsNoMore(first)
  assert.equal(kindsOf(arena, 2), [])
  assert.is(arena.words[slot.at + Slot.waitsEnd], 0, 'a scan reads no record')
})

test('a wait published again keeps its start, and another wait of the call replaces it', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const call = {}
  slot.waits(call, 'read', 7)
  const recordAt = slot.published.recordAt(call)
  arena.words[recordAt + Wait.since] = 5
  slot.waits(call, 'read', 7)
  assert.is(arena.words[recordAt + Wait.since], 5)
  slot.waits(call, 'modify', 7)
  assert.is.not(arena.words[recordAt + Wait.since], 5)
  assert.equal(kindsOf(arena, 2), ['modify 7'])
})

test('a free record is reused before the end moves', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const calls = [{}, {}, {}]
  for (const call of calls) slot.waits(call, 'read', 1)
  slot.waitsNoMore(calls[1]!)
  assert.is(arena.words[slot.at + Slot.waitsEnd], 3)
  slot.waits({}, 'modify', 9)
  assert.equal(kindsOf(arena, 2), ['read 1', 'modify 9', 'read 1'])
})

test('only live threads count as waiting for a frame', () => {
  const arena = smallArena()
  const [a, b] = [attachSlot(arena, 2, 5, 1), attachSlot(arena, 2, 5, 2)]
  a.waits({}, 'read', 6)
  a.waits({}, 'read', 7)
  b.waits({}, 'modify', 6)
  b.waits({}, 'flush', 6)
  assert.equal(waitsForFrame(arena, 6).map(({ slot, kind }) => [slot, kind]), [[2, 'read'], [3, 'modify']]) // prettier-ignore
  const [, wait] = waitsForFrame(arena, 6)
  assert.ok(isPublished(arena, wait!))
  arena.words[b.at + Slot.state] = SlotState.DEAD
  assert.not.ok(isPublished(arena, wait!))
  assert.equal(waitsForFrame(arena, 6).map(({ slot }) => slot), [2]) // prettier-ignore
  assert.is(frameIn(arena.words, wait!.recordAt), 6, 'the reaper still sees what the dead thread waited for')
  clearWaits(arena, b.index)
  assert.is(frameIn(arena.words, wait!.recordAt), -1)
  assert.is(arena.words[b.at + Slot.waitsEnd], 0)
})

test('a wait in another mode or for another frame is a different wait', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const call = {}
  slot.waits(call, 'read', 6)
  const [seen] = waitsForFrame(arena, 6)
  slot.waits(call, 'modify', 6)
  assert.not.ok(isPublished(arena, seen!))
  slot.waits(call, 'read', 5)
  assert.not.ok(isPublished(arena, seen!))
  slot.waits(call, 'read', 6)
  assert.ok(isPublished(arena, seen!))
})

test('a wake changes the word that the call sleeps on', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const calls = [{}, {}]
  for (const call of calls) slot.waits(call, 'read', 6)
  const wakes = () => calls.map((call) => arena.words[slot.published.recordAt(call) + Wait.wake]!)
  wakeWait(arena.words, slot.published.recordAt(calls[0]!))
  assert.equal(wakes(), [1, 0])
  wakeAllWaits(arena)
  assert.equal(wakes(), [2, 1])
})

test('other waits leave records for waits for frames, and a wait without a record is not shown', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  for (let i = 0; i < 2 * WAITS_MAX; i++) slot.waits({}, 'flush', 0)
  assert.is(slot.published.count, OTHER_WAITS_MAX)
  for (let i = 0; i < 2 * WAITS_MAX; i++) slot.waits({}, 'read', 3)
  assert.is(waitsForFrame(arena, 3).length, WAITS_MAX - OTHER_WAITS_MAX)
})

test.run()
