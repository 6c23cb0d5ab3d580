// Kick and flush without a flush worker, and what is left to whoever has the round mutex.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Core } from '#dist/core/context.js'
import { push } from '#dist/core/changes/pending.js'
import { flush, kick, lockRound, tryLockRound, unlockRound } from '#dist/core/changes/rounds.js'
import { CacheError } from '#dist/shared/errors.js'
import { tryLatch } from '#dist/shared/latch.js'
import { waitsOf } from '#dist/shared/waits.js'
import { Deadline, runAsync, runSync, SLICE_MS, type Slow, type Step } from '#dist/shared/wait.js'
import { smallArena, smallCore } from '../support/small-core.js'
import { inThreads } from '../support/threads.js'
import { EngineState, Frame, Group, Header, Released, Slot } from '#dist/shared/words.js'

const bodies = import.meta.resolve('./workers/rounds.js')
const isCode = (code: string) => (error: unknown) => error instanceof CacheError && error.code === code

/** A core with two groups, and by their numbers a way to read and write the groups' words. */
function fresh() {
  const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 512, group: 'g' } }
  const arena = smallArena({ partitions })
  const core = smallCore(arena)
  const at = (group: number, field: keyof typeof Group) => arena.groupAt(group) + Group[field]
  const get = (group: number, field: keyof typeof Group) => arena.words[at(group, field)]!
  const set = (group: number, field: keyof typeof Group, value: number) =>
    (arena.words[at(group, field)] = value)
  return { arena, core, get, set }
}

/** A flush of all of these groups. */
const flushAll = (core: Core, groups: readonly number[], timeoutMs?: number): Slow<void> =>
  flush(core, groups.map((group) => ({ group })), timeoutMs) // prettier-ignore

/** What the flush worker does when all is durable. */
function finish(core: Core, group: number): void {
  const turn = core.turns[group]!
  turn.finish(core.words[core.arena.groupAt(group) + Group.want]!)
  turn.broadcast()
}

const bellOf = (core: Core): number => core.words[Header.bell]!

test('a clean cache has nothing to flush', () => {
  const { core, get } = fresh()
  const bell = bellOf(core)
  assert.ok(flushAll(core, [0, 1]).next().done)
  kick(core, 0)
  assert.equal([get(0, 'want'), get(1, 'want'), bellOf(core)], [0, 0, bell])
})

test('a kick wants what is dirty now and rings, once', () => {
  const { core, get, set } = fresh()
  set(1, 'dirty', 1)
  set(1, 'epoch', 5)
  const bell = bellOf(core)
  kick(core, 1)
  assert.equal([get(0, 'want'), get(1, 'want')], [0, 5])
  assert.is(bellOf(core), bell + 1)
  kick(core, 1)
  assert.is(bellOf(core), bell + 1, 'it is wanted already')
})

test('a kick does not wait, and is not lost: who has the mutex looks after it', () => {
  const { arena, core, get, set } = fresh()
  const other = smallCore(arena)
  set(0, 'dirty', 1)
  assert.ok(tryLockRound(other, 0))
  kick(core, 0)
  assert.is(get(0, 'want'), 0)
  unlockRound(other, 0)
  assert.is(get(0, 'want'), 1)
  assert.equal([get(0, 'kicked'), get(0, 'mutex')], [0, 0])
})

test('a flush waits until what was dirty when it began is durable', () => {
  const { core, get, set } = fresh()
  set(0, 'dirty', 2)
  set(0, 'epoch', 3)
  const flushing = flushAll(core, [0])
  const step = flushing.next().value as Step
  assert.is(step.kind, 'wait')
  assert.is(get(0, 'want'), 3)
  assert.equal(
    waitsOf(core.arena, core.slot.index).map(({ kind }) => kind),
    ['flush'],
    'others can see it wait',
  )
  set(0, 'epoch', 4)
  set(0, 'done', 2)
  assert.not.ok(flushing.next().done, 'an older round is not enough')
  finish(core, 0)
  assert.ok(flushing.next().done, 'epoch 4 is none of its business')
  assert.is(core.words[core.slot.at + Slot.waitsEnd], 0)
})

test('groups are flushed side by side, and a failure of one does not hide the other', () => {
  const { core, get, set } = fresh()
  for (const group of [0, 1]) set(group, 'dirty', 1)
  const flushing = flushAll(core, [0, 1])
  flushing.next()
  assert.equal([get(0, 'want'), get(1, 'want')], [1, 1], 'both are wanted before it waits for one')
  set(0, 'failedPartition', 0)
  set(0, 'failedClass', 2)
  set(0, 'failedErrno', -28)
  core.turns[0]!.fail(1)
  assert.not.ok(flushing.next().done, 'it waits for the other')
  finish(core, 1)
  let error: unknown
  try {
    flushing.next()
  } catch (thrown) {
    error = thrown
  }
  assert.ok(isCode('ERR_DCACHE_FENCED')(error))
  assert.match((error as Error).message, /partition 'a', class 'directory': ENOSPC/)
})

test('a round that failed before one asked is no reason to fail', () => {
  const { core, set } = fresh()
  set(0, 'dirty', 1)
  core.turns[0]!.fail(1)
  const flushing = flushAll(core, [0])
  flushing.next()
  assert.not.ok(flushing.next().done)
  finish(core, 0)
  assert.ok(flushing.next().done)
})

test('a failed round of which the scope owes nothing any more is no failure', () => {
  const { core, set } = fresh()
  set(0, 'dirty', 1)
  const flushing = flushAll(core, [0])
  flushing.next()
  set(0, 'dirty', 0)
  core.turns[0]!.fail(1)
  assert.ok(flushing.next().done)
})

test('a flush that stands still has a deadline; one that gets on has none', async () => {
  const { core, get, set } = fresh()
  set(0, 'dirty', 1)
  const still = (timeoutMs: number) =>
    runAsync(flushAll(core, [0], timeoutMs)).then(() => false, isCode('ERR_DCACHE_TIMEOUT'))
  assert.ok(await still(50))
  const startMs = performance.now()
  const timer = setInterval(() => {
    set(0, 'written', get(0, 'written') + 1)
    if (performance.now() - startMs > 4000) finish(core, 0)
  }, 20)
  assert.not.ok(await still(2000), 'twice its deadline, and done')
  clearInterval(timer)
})

test('an engine that stopped is not waited for', () => {
  for (const [state, code] of [
    [EngineState.BROKEN, 'ERR_DCACHE_WORKER_DIED'],
    [EngineState.ORPHANED, 'ERR_DCACHE_ORPHANED'],
    [EngineState.CLOSED, 'ERR_DCACHE_CLOSED'],
  ] as const) {
    const { core, set } = fresh()
    set(0, 'dirty', 1)
    const flushing = flushAll(core, [0])
    flushing.next()
    core.words[Header.state] = state
    assert.throws(() => flushing.next(), isCode(code))
    assert.is(core.words[core.slot.at + Slot.waitsEnd], 0)
  }
})

test('where it may not block, a flush that has to wait fails, and the round goes on', () => {
  const { core, get, set } = fresh()
  runSync(flushAll(core, [0]), false)
  set(0, 'dirty', 1)
  assert.throws(() => runSync(flushAll(core, [0]), false), isCode('ERR_DCACHE_WOULD_BLOCK'))
  assert.equal([get(0, 'want'), get(0, 'mutex')], [1, 0])
})

test('a flush rings again when a slice of its wait is over', () => {
  const { core, set } = fresh()
  set(0, 'dirty', 1)
  const flushing = flushAll(core, [0])
  flushing.next()
  const bell = bellOf(core)
  flushing.next()
  assert.is(bellOf(core), bell, 'not before')
  const endMs = performance.now() + SLICE_MS
  while (performance.now() < endMs);
  flushing.next()
  assert.is(bellOf(core), bell + 1)
})

/** Leaves the release of a frame on the stack. */
function leaveRelease(core: Core, frame: number): void {
  const at = core.arena.frameAt(frame)
  core.words[at + Frame.place] = 1
  tryLatch(core.words, at + Frame.latch, core.slot.index)
  push(core, 0, frame, Released.UNCHANGED)
}

test('a release left on the stack is settled by whoever has the mutex', () => {
  const { arena, core, get } = fresh()
  const other = smallCore(arena)
  const latchOf = (frame: number) => arena.words[arena.frameAt(frame) + Frame.latch]!
  assert.ok(tryLockRound(other, 0))
  leaveRelease(core, 3)
  leaveRelease(core, 5)
  assert.ok(latchOf(3) !== 0 && latchOf(5) !== 0, 'still latched')
  unlockRound(other, 0)
  assert.equal([latchOf(3), latchOf(5), get(0, 'pending'), get(0, 'settling')], [0, 0, 0, 0])
  leaveRelease(core, 3)
  runSync(lockRound(other, 0, new Deadline()), true)
  assert.is(latchOf(3), 0, 'before anything else is done under it')
  unlockRound(other, 0)
  assert.is(get(0, 'mutex'), 0)
})

test('no release and no kick is left to nobody', async () => {
  const { arena, get, set } = fresh()
  const frames = 8
  set(0, 'dirty', 1)
  for (let frame = 0; frame < frames; frame++) arena.words[arena.frameAt(frame) + Frame.place] = 1
  await inThreads(bodies, 'releasers', { threads: 4, buffer: arena.buffer, args: { each: 50_000, frames } })
  assert.equal([get(0, 'pending'), get(0, 'kicked'), get(0, 'mutex'), get(0, 'want')], [0, 0, 0, 1])
  for (let frame = 0; frame < frames; frame++) {
    assert.is(arena.words[arena.frameAt(frame) + Frame.latch], 0)
    assert.ok(arena.words[arena.frameAt(frame) + Frame.since]! > 0)
  }
})

test.run()
