// Kick and flush without a flush worker, and the work that is left to the holder of the round mutex.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Context } from '#dist/core/context.js'
import { push } from '#dist/core/changes/pending.js'
import { flush, kick, lockRound, tryLockRound, unlockRound } from '#dist/core/changes/rounds.js'
import { CacheError } from '#dist/shared/errors.js'
import { tryLatch } from '#dist/shared/latch.js'
import { waitsOf } from '#dist/shared/waits.js'
import { Deadline, runAsync, runSync, SLICE_MS, type Slow, type Step } from '#dist/shared/wait.js'
import { smallArena, smallContext } from '../support/small-context.js'
import { inThreads } from '../support/threads.js'
import { EngineState, Frame, Group, Header, Released, Slot } from '#dist/shared/words.js'

const bodies = import.meta.resolve('./workers/rounds.js')
const isCode = (code: string) => (error: unknown) => error instanceof CacheError && error.code === code

/** A context with two groups, and functions that read and write the words of a group by its number. */
function fresh() {
  const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 512, group: 'g' } }
  const arena = smallArena({ partitions })
  const context = smallContext(arena)
  const at = (group: number, field: keyof typeof Group) => arena.groupAt(group) + Group[field]
  const get = (group: number, field: keyof typeof Group) => arena.words[at(group, field)]!
  const set = (group: number, field: keyof typeof Group, value: number) =>
    (arena.words[at(group, field)] = value)
  return { arena, context, get, set }
}

/** A flush of all of these groups. */
const flushAll = (context: Context, groups: readonly number[], timeoutMs?: number): Slow<void> =>
  flush(context, groups.map((group) => ({ group })), timeoutMs) // prettier-ignore

/** Does what the flush worker does when all is durable. */
function finish(context: Context, group: number): void {
  const turn = context.rounds[group]!
  turn.finish(context.words[context.arena.groupAt(group) + Group.want]!)
  turn.broadcast()
}

const bellOf = (context: Context): number => context.words[Header.bell]!

test('a clean cache has nothing to flush', () => {
  const { context, get } = fresh()
  const bell = bellOf(context)
  assert.ok(flushAll(context, [0, 1]).next().done)
  kick(context, 0)
  assert.equal([get(0, 'want'), get(1, 'want'), bellOf(context)], [0, 0, bell])
})

test('a kick requests a round for what is dirty now and rings the bell once', () => {
  const { context, get, set } = fresh()
  set(1, 'dirty', 1)
  set(1, 'epoch', 5)
  const bell = bellOf(context)
  kick(context, 1)
  assert.equal([get(0, 'want'), get(1, 'want')], [0, 5])
  assert.is(bellOf(context), bell + 1)
  kick(context, 1)
  assert.is(bellOf(context), bell + 1, 'it was requested already')
})

test('a kick does not wait for the mutex and is not lost: the holder completes it', () => {
  const { arena, context, get, set } = fresh()
  const other = smallContext(arena)
  set(0, 'dirty', 1)
  assert.ok(tryLockRound(other, 0))
  kick(context, 0)
  assert.is(get(0, 'want'), 0)
  unlockRound(other, 0)
  assert.is(get(0, 'want'), 1)
  assert.equal([get(0, 'kicked'), get(0, 'mutex')], [0, 0])
})

test('a flush waits until what was dirty when it began is durable', () => {
  const { context, get, set } = fresh()
  set(0, 'dirty', 2)
  set(0, 'epoch', 3)
  const flushing = flushAll(context, [0])
  const step = flushing.next().value as Step
  assert.is(step.kind, 'wait')
  assert.is(get(0, 'want'), 3)
  assert.equal(
    waitsOf(context.arena, context.slot.index).map(({ kind }) => kind),
    ['flush'],
    'other threads can see it wait',
  )
  set(0, 'epoch', 4)
  set(0, 'done', 2)
  assert.not.ok(flushing.next().done, 'an older round is not enough')
  finish(context, 0)
  assert.ok(flushing.next().done, 'it does not wait for epoch 4')
  assert.is(context.words[context.slot.at + Slot.waitsEnd], 0)
})

test('groups are flushed concurrently, and a failure of one does not hide the other', () => {
  const { context, get, set } = fresh()
  for (const group of [0, 1]) set(group, 'dirty', 1)
  const flushing = flushAll(context, [0, 1])
  flushing.next()
  assert.equal([get(0, 'want'), get(1, 'want')], [1, 1], 'both are requested before it waits for one')
  set(0, 'failedPartition', 0)
  set(0, 'failedClass', 2)
  set(0, 'failedErrno', -28)
  context.rounds[0]!.fail(1)
  assert.not.ok(flushing.next().done, 'it waits for the other')
  finish(context, 1)
  let error: unknown
  try {
    flushing.next()
  } catch (thrown) {
    error = thrown
  }
  assert.ok(isCode('ERR_DCACHE_FENCED')(error))
  assert.match((error as Error).message, /partition 'a', class 'directory': ENOSPC/)
})

test('a round that failed before the request does not fail it', () => {
  const { context, set } = fresh()
  set(0, 'dirty', 1)
  context.rounds[0]!.fail(1)
  const flushing = flushAll(context, [0])
  flushing.next()
  assert.not.ok(flushing.next().done)
  finish(context, 0)
  assert.ok(flushing.next().done)
})

test('a failed round does not fail a flush whose scope has no unwritten changes left', () => {
  const { context, set } = fresh()
  set(0, 'dirty', 1)
  const flushing = flushAll(context, [0])
  flushing.next()
  set(0, 'dirty', 0)
  context.rounds[0]!.fail(1)
  assert.ok(flushing.next().done)
})

test('a flush has a deadline only while it makes no progress', async () => {
  const { context, get, set } = fresh()
  set(0, 'dirty', 1)
  const still = (timeoutMs: number) =>
    runAsync(flushAll(context, [0], timeoutMs)).then(() => false, isCode('ERR_DCACHE_TIMEOUT'))
  assert.ok(await still(50))
  const startMs = performance.now()
  const timer = setInterval(() => {
    set(0, 'written', get(0, 'written') + 1)
    if (performance.now() - startMs > 4000) finish(context, 0)
  }, 20)
  assert.not.ok(await still(2000), 'twice its deadline, and done')
  clearInterval(timer)
})

test('a flush does not wait for an engine that has stopped', () => {
  for (const [state, code] of [
    [EngineState.BROKEN, 'ERR_DCACHE_WORKER_DIED'],
    [EngineState.ORPHANED, 'ERR_DCACHE_ORPHANED'],
    [EngineState.CLOSED, 'ERR_DCACHE_CLOSED'],
  ] as const) {
    const { context, set } = fresh()
    set(0, 'dirty', 1)
    const flushing = flushAll(context, [0])
    flushing.next()
    context.words[Header.state] = state
    assert.throws(() => flushing.next(), isCode(code))
    assert.is(context.words[context.slot.at + Slot.waitsEnd], 0)
  }
})

test('in a thread that may not block, a flush that must wait fails and the round continues', () => {
  const { context, get, set } = fresh()
  runSync(flushAll(context, [0]), false)
  set(0, 'dirty', 1)
  assert.throws(() => runSync(flushAll(context, [0]), false), isCode('ERR_DCACHE_WOULD_BLOCK'))
  assert.equal([get(0, 'want'), get(0, 'mutex')], [1, 0])
})

test('a flush rings the bell again when a slice of its wait ends', () => {
  const { context, set } = fresh()
  set(0, 'dirty', 1)
  const flushing = flushAll(context, [0])
  flushing.next()
  const bell = bellOf(context)
  flushing.next()
  assert.is(bellOf(context), bell, 'not before')
  const endMs = performance.now() + SLICE_MS
  while (performance.now() < endMs);
  flushing.next()
  assert.is(bellOf(context), bell + 1)
})

/** Pushes the release of a frame onto the stack. */
function leaveRelease(context: Context, frame: number): void {
  const at = context.arena.frameAt(frame)
  context.words[at + Frame.keyHigh] = 1
  tryLatch(context.words, at + Frame.latch, context.slot.index)
  push(context, 0, frame, Released.UNCHANGED)
}

test('the holder of the mutex settles a release left on the stack', () => {
  const { arena, context, get } = fresh()
  const other = smallContext(arena)
  const latchOf = (frame: number) => arena.words[arena.frameAt(frame) + Frame.latch]!
  assert.ok(tryLockRound(other, 0))
  leaveRelease(context, 3)
  leaveRelease(context, 5)
  assert.ok(latchOf(3) !== 0 && latchOf(5) !== 0, 'still latched')
  unlockRound(other, 0)
  assert.equal([latchOf(3), latchOf(5), get(0, 'pending'), get(0, 'settling')], [0, 0, 0, 0])
  leaveRelease(context, 3)
  runSync(lockRound(other, 0, new Deadline()), true)
  assert.is(latchOf(3), 0, 'before any other work under the mutex')
  unlockRound(other, 0)
  assert.is(get(0, 'mutex'), 0)
})

test('every release and every kick is completed by some thread', async () => {
  const { arena, get, set } = fresh()
  const frames = 8
  set(0, 'dirty', 1)
  for (let frame = 0; frame < frames; frame++) arena.words[arena.frameAt(frame) + Frame.keyHigh] = 1
  await inThreads(bodies, 'releasers', { threads: 4, buffer: arena.buffer, args: { each: 50_000, frames } })
  assert.equal([get(0, 'pending'), get(0, 'kicked'), get(0, 'mutex'), get(0, 'want')], [0, 0, 0, 1])
  for (let frame = 0; frame < frames; frame++) {
    assert.is(arena.words[arena.frameAt(frame) + Frame.latch], 0)
    assert.ok(arena.words[arena.frameAt(frame) + Frame.since]! > 0)
  }
})

test.run()
