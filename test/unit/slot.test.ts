// Thread slots: claiming and releasing them, and the journal of pins.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError } from '#dist/shared/errors.js'
import { GUARDS_MAX } from '#dist/shared/layout.js'
import { attachSlot, detachSlot, journaledPins, takeOverSlot } from '#dist/shared/slot.js'
import { smallArena } from '../support/small-context.js'
import { inThreads } from '../support/threads.js'
import { Counter } from '#dist/shared/counter-words.js'
import { Journal, Slot, SlotState } from '#dist/shared/words.js'

const bodies = import.meta.resolve('./workers/slot.js')
const isCode = (code: string) => (error: unknown) => error instanceof CacheError && error.code === code

test('a slot is claimed, names its thread, and is freed', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 3, 9, 77)
  assert.is(slot.index, 3)
  assert.is(arena.words[slot.at + Slot.state], SlotState.LIVE)
  assert.is(arena.words[slot.at + Slot.threadId], 77)
  assert.is(attachSlot(arena, 3, 9, 78).index, 4)
  detachSlot(arena, slot)
  assert.is(arena.words[slot.at + Slot.state], SlotState.FREE)
  const again = attachSlot(arena, 3, 9, 79)
  assert.is(again.index, 3)
})

test('when all slots are taken, the next thread is refused', () => {
  const arena = smallArena()
  for (let i = 2; i < 5; i++) assert.is(attachSlot(arena, 2, 5, i).index, i)
  assert.throws(() => attachSlot(arena, 2, 5, 9), isCode('ERR_DCACHE_THREADS'))
  arena.words[arena.slotAt(3) + Slot.state] = SlotState.DEAD
  assert.throws(
    () => attachSlot(arena, 2, 5, 9),
    isCode('ERR_DCACHE_THREADS'),
    'the slot of a dead thread is not free yet',
  )
})

test('the journal has a separate entry for each guard that may be held', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  const entries = Array.from({ length: GUARDS_MAX }, () => slot.takeEntry())
  assert.is(new Set(entries).size, GUARDS_MAX)
  assert.ok(entries.every((entry) => entry >= slot.journalAt && entry < slot.journalAt + GUARDS_MAX))
  assert.is(slot.guards, GUARDS_MAX)
  assert.is(arena.words[slot.at + Slot.guards], GUARDS_MAX)
  assert.throws(() => slot.takeEntry(), isCode('ERR_DCACHE_GUARDS'))
  slot.returnEntry(entries[9]!)
  assert.is(arena.words[slot.at + Slot.guards], GUARDS_MAX - 1)
  assert.is(slot.takeEntry(), entries[9])
  for (const entry of entries) slot.returnEntry(entry)
  assert.is(slot.guards, 0)
  assert.is(arena.words[slot.at + Slot.guards], 0)
})

test('pins are counted from the journals of live slots', () => {
  const arena = smallArena()
  const [a, b] = [attachSlot(arena, 2, 5, 1), attachSlot(arena, 2, 5, 2)]
  const entries = [a.takeEntry(), a.takeEntry(), b.takeEntry()]
  const write = (i: number, frame: number, state: number) => (arena.words[entries[i]!] = (frame << 2) | state)
  for (const i of [0, 1, 2]) write(i, 6, Journal.HELD)
  assert.equal([journaledPins(arena, 6), journaledPins(arena, 0), journaledPins(arena, 7)], [3, 0, 0])
  write(1, 7, Journal.HELD)
  assert.equal([journaledPins(arena, 6), journaledPins(arena, 7)], [2, 1])
  for (const unsettled of [Journal.TAKING, Journal.GIVING]) {
    write(0, 6, unsettled)
    assert.is(journaledPins(arena, 6), -1, 'look again')
  }
  arena.words[a.at + Slot.state] = SlotState.DEAD
  assert.equal([journaledPins(arena, 6), journaledPins(arena, 7)], [1, 0], 'dead slots do not count')
})

test('a given slot can be taken over in any state', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 1, 2, 1)
  arena.words[slot.at + Slot.state] = SlotState.DEAD
  const next = takeOverSlot(arena, 1, 9)
  assert.is(next.index, 1)
  assert.equal([arena.words[slot.at + Slot.state], arena.words[slot.at + Slot.threadId]], [SlotState.LIVE, 9])
})

test('a detached thread gets no entry', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  detachSlot(arena, slot)
  assert.throws(() => slot.takeEntry(), isCode('ERR_DCACHE_CLOSED'))
  assert.is(slot.guards, 0)
})

test('calls into the system are counted at their start and end', () => {
  const arena = smallArena()
  const slot = attachSlot(arena, 2, 5, 1)
  slot.enterIo()
  slot.enterIo()
  slot.leaveIo()
  assert.is(arena.words[slot.at + Slot.inIo], 1)
})

test('each slot has its own counters', () => {
  const arena = smallArena()
  const [a, b] = [attachSlot(arena, 2, 5, 1), attachSlot(arena, 2, 5, 2)]
  for (let counter = 0; counter < Counter.COUNT; counter++) {
    a.count(counter, counter + 1)
    b.count(counter)
  }
  for (let counter = 0; counter < Counter.COUNT; counter++) {
    assert.is(arena.counters[a.countersAt + counter], counter + 1)
    assert.is(arena.counters[b.countersAt + counter], 1)
  }
  assert.is(
    arena.counters.reduce((sum, n) => sum + n),
    (Counter.COUNT * (Counter.COUNT + 1)) / 2 + Counter.COUNT,
  )
})

test('threads that attach concurrently get different slots', async () => {
  const arena = smallArena({ threads: 12 })
  const slots = await inThreads<number>(bodies, 'attach', {
    threads: 4,
    buffer: arena.buffer,
    args: { times: 20_000 },
  })
  assert.is(new Set(slots).size, 4, 'the slots that the threads kept')
})

test.run()
