// @deadline 300
// The queue of a latch, with real threads: each waiter gets the latch in turn, and a mark without a wait blocks no thread.

import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as sleep } from 'node:timers/promises'
import { latchMemory, OneLatch } from '#dist/bench/contention/one-latch.js'
import { clockTicks } from '#dist/shared/clock.js'
import { waitsForFrame } from '#dist/shared/waits.js'
import type { WaitStep } from '#dist/shared/wait.js'
import { Latch, Slot, SlotState, Wait } from '#dist/shared/words.js'
import { inThreads } from '../support/threads.js'
import { ARRIVED, FIRST, GUARDED_WORDS, SECOND, WAITED } from './workers/latch.js'
import { sized } from '../support/size.js'

const bodies = import.meta.resolve('./workers/latch.js')
const MARKS = Latch.MARK_READER | Latch.MARK_WRITER
/** The bits for holders, offers and a frozen word; marks are only hints. */
const HELD = Latch.PINS | Latch.WRITER | Latch.HANDED | Latch.FROZEN

function fresh(threads: number) {
  const buffer = latchMemory(threads + 1)
  const guarded = new SharedArrayBuffer(GUARDED_WORDS * 4)
  return { buffer, guarded, words: new Int32Array(guarded), latch: new OneLatch(buffer, 0) }
}

/** Runs a wait up to its first sleep: what it sleeps on, and the wait to continue. */
function toSleep(latch: OneLatch, kind: 'read' | 'modify', still?: () => boolean) {
  const waiting = latch.waiting(kind, 60_000, still)
  const turn = waiting.next()
  return { waiting, turn, step: turn.value as WaitStep }
}

test('with many readers and writers, some of which give up, each writer is exclusive and no waiter is forgotten', async () => {
  const { buffer, guarded, words, latch } = fresh(4)
  const args = { guarded, turns: sized(5000, 20_000) }
  const changes = await inThreads<number>(bodies, 'readAndWrite', { threads: 4, buffer, args })
  const sum = changes.reduce((a, b) => a + b)
  assert.is(words[FIRST], sum)
  assert.is(words[SECOND], sum)
  assert.is(latch.word & HELD, 0)
  assert.is(waitsForFrame(latch.arena, 0).length, 0)
  console.log(`\n# ${words[WAITED]!} waits in ${4 * args.turns} turns`)
})

for (const leave of ['unlatch', 'downgrade', 'unpin'] as const)
  test(`all waiters get the latch after the holder’s ${leave}`, async () => {
    const { buffer, guarded, words, latch } = fresh(4)
    if (leave === 'unpin') latch.pin()
    else latch.latch()
    const done = inThreads(bodies, 'waiter', { threads: 4, buffer, args: { guarded, firstWriter: 2 } })
    const waits = () => waitsForFrame(latch.arena, 0)
    // Readers may join a pin until a writer waits, so next to a pin only the writers are certain to wait.
    while (Atomics.load(words, ARRIVED) < 4 || waits().filter(({ kind }) => kind === 'modify').length < 2)
      await sleep(5)
    if (leave !== 'unpin') while (waits().length < 4) await sleep(5)
    assert.is(words[FIRST], 0, 'no writer has the latch')
    if (leave === 'unlatch') latch.unlatch()
    else if (leave === 'downgrade') latch.downgrade()
    if (leave !== 'unlatch') latch.unpin()
    await done
    assert.is(words[FIRST], 2)
    assert.is(latch.word & HELD, 0)
  })

const marks = suite('marks without a wait')

marks('a wait for a frame that changes its block leaves no mark that blocks readers', () => {
  const { latch, buffer } = fresh(1)
  const reader = new OneLatch(buffer, 1)
  latch.pin()
  const { turn } = toSleep(reader, 'modify', () => false)
  assert.ok(turn.done)
  assert.is(turn.value, 'again')
  assert.is(latch.word & MARKS, 0)
})

marks('a writer that gives up next to a reader removes its mark unless another writer waits', () => {
  const { latch, buffer } = fresh(2)
  const [first, second] = [new OneLatch(buffer, 1), new OneLatch(buffer, 2)]
  latch.pin()
  const one = toSleep(first, 'modify')
  const other = toSleep(second, 'modify')
  assert.is(latch.word & MARKS, Latch.MARK_WRITER)
  assert.throws(() => one.waiting.throw(new Error('aborted')), /aborted/)
  assert.is(latch.word & MARKS, Latch.MARK_WRITER)
  assert.throws(() => other.waiting.throw(new Error('aborted')), /aborted/)
  assert.is(latch.word, 1)
})

marks('a mark that a server sets for a writer that has given up in the meantime is removed', () => {
  const { latch, buffer } = fresh(2)
  const [writer, reader] = [new OneLatch(buffer, 1), new OneLatch(buffer, 2)]
  latch.latch()
  const write = toSleep(writer, 'modify')
  // The server reads the contents after its scan, and the slot of the writer when it rechecks.
  const { arena } = latch
  const isAbsent = arena.isAbsent.bind(arena)
  const slotAt = arena.slotAt.bind(arena)
  // The writer must not have waited long, or the server makes it an offer.
  const [wait] = waitsForFrame(arena, 0)
  arena.words[wait!.recordAt + Wait.since] = (clockTicks() + 1e6) | 0
  let looks = 0
  arena.isAbsent = (frame) => {
    if (looks++ === 0) assert.throws(() => write.waiting.throw(new Error('aborted')), /aborted/)
    return isAbsent(frame)
  }
  arena.slotAt = (slot) => {
    if (looks === 1 && slot === 1 && (latch.word & Latch.WRITER) === 0) {
      looks++
      assert.is(latch.word, Latch.MARK_WRITER)
      assert.is(toSleep(reader, 'read').turn.value, 'pinned')
    }
    return slotAt(slot)
  }
  latch.unlatch()
  assert.ok(looks >= 2, 'both moments were reached')
  assert.is(latch.word, 1, 'a third reader is not blocked')
})

marks('a mark that a dead thread left is repaired at the end of a slice', () => {
  const { latch, buffer } = fresh(2)
  const [dead, reader] = [new OneLatch(buffer, 1), new OneLatch(buffer, 2)]
  latch.pin()
  toSleep(dead, 'modify')
  latch.arena.words[dead.slot.at + Slot.state] = SlotState.DEAD
  const { waiting } = toSleep(reader, 'read')
  assert.is(latch.word, 1 | MARKS)
  // The slice ends without a wakeup. The mark then has no wait, and the reader gets the latch.
  const turn = waiting.next()
  assert.ok(turn.done)
  assert.is(turn.value, 'pinned')
  assert.is(latch.word & ~Latch.MARK_READER, 2)
})

marks(
  'an offer that is not taken expires when another waiter has seen it at the ends of two slices',
  async () => {
    const { latch, buffer } = fresh(2)
    const [busy, other] = [new OneLatch(buffer, 1), new OneLatch(buffer, 2)]
    latch.latch()
    toSleep(busy, 'modify')
    await sleep(5)
    latch.unlatch()
    assert.is(latch.word & Latch.HANDED, Latch.HANDED)
    const { waiting } = toSleep(other, 'modify')
    assert.not.ok(waiting.next().done)
    assert.is(latch.word & Latch.HANDED, Latch.HANDED)
    const turn = waiting.next()
    assert.ok(turn.done)
    assert.is(turn.value, 'latched')
    assert.is(latch.word & Latch.HANDED, 0)
    other.unlatch()
  },
)

const turns = suite('turns')

turns('readers follow a writer, and the writer that has waited longest follows readers', async () => {
  const { latch, buffer } = fresh(4)
  const [w1, w2, r1, r2] = [1, 2, 3, 4].map((thread) => new OneLatch(buffer, thread))
  latch.latch()
  const waits = []
  for (const [one, kind] of [
    [w1!, 'modify'],
    [r1!, 'read'],
    [w2!, 'modify'],
    [r2!, 'read'],
  ] as const) {
    waits.push(toSleep(one, kind)) // prettier-ignore
    await sleep(5)
  }
  const [firstWriter, firstReader, secondWriter, secondReader] = waits.map(({ waiting }) => waiting)
  latch.unlatch()
  assert.is(latch.word & (Latch.HANDED | Latch.WRITER), Latch.HANDED, 'offered to the readers')
  assert.is(firstReader!.next().value, 'pinned')
  assert.is(secondReader!.next().value, 'pinned')
  r1!.unpin()
  r2!.unpin()
  assert.is((latch.word & Latch.WRITER) >> 16, 2, 'offered to the first writer')
  assert.is(firstWriter!.next().value, 'latched')
  w1!.unlatch()
  assert.is((latch.word & Latch.WRITER) >> 16, 3)
  assert.is(secondWriter!.next().value, 'latched')
  w2!.unlatch()
  assert.is(latch.word, 0)
})

turns('new readers queue behind a waiting writer and get the latch in the phase after it', async () => {
  const { latch, buffer } = fresh(2)
  const [writer, reader] = [new OneLatch(buffer, 1), new OneLatch(buffer, 2)]
  latch.pin()
  const write = toSleep(writer, 'modify')
  const read = toSleep(reader, 'read')
  assert.not.ok(read.turn.done)
  await sleep(5)
  latch.unpin()
  assert.is(write.waiting.next().value, 'latched')
  writer.unlatch()
  assert.is(read.waiting.next().value, 'pinned')
})

// Counted in turns and not in time, so that the speed of the machine does not matter.
for (const { readers, threads, holdMs } of [
  { readers: 3, threads: 4, holdMs: 1 },
  { readers: 1, threads: 4, holdMs: 1 },
  { readers: 0, threads: 8, holdMs: 1 },
])
  turns(
    `each of ${threads} threads that never pause, ${readers} of them readers, gets its turns`,
    async () => {
      const { buffer, guarded } = fresh(threads)
      const args = { guarded, readers, holdMs, forMs: sized(1000, 2000) }
      const all = await inThreads<{ times: number; longestMs: number }>(bodies, 'loops', { threads, buffer, args }) // prettier-ignore
      const times = all.map((one) => one.times)
      console.log(`\n# turns ${times.join(' ')}, longest waits ${all.map(({ longestMs }) => longestMs.toFixed(0)).join(' ')} ms`) // prettier-ignore
      // Threads of one kind take turns; a reader may have many turns in one phase of readers.
      for (const kind of [times.slice(0, readers), times.slice(readers)])
        if (kind.length > 1) assert.ok(Math.min(...kind) * 10 >= Math.max(...kind), times.join(' '))
      assert.ok(Math.min(...times) > 5, times.join(' '))
    },
  )

test.run()
marks.run()
turns.run()
