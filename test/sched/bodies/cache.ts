// The cache under concurrent clients: hits, misses, evictions and changes of the same few blocks.

import { point } from '../atomics.js'
import type { MakeBody } from '../body.js'
import { between, BLOCK, CLIENT_SLOT, Note, Tiny, type TinyOptions } from './tiny.js'
import { crew, owner, reapers } from './workers.js'
import type { Client } from '#dist/core/client/client.js'
import type { Context } from '#dist/core/context.js'
import type { Partition } from '#dist/shared/interface.js'
import { EngineState, Slot, SlotState } from '#dist/shared/words.js'

interface Hand {
  readonly context: Context
  readonly client: Client
  readonly data: Partition
}
type Act = (tiny: Tiny, hand: Hand, index: number) => void

/** Reads a block and verifies that it is the right one, and whole. */
const read =
  (block: number): Act =>
  (tiny, { data }) => {
    const guard = data.acquireSync(block, 'read')
    tiny.check(tiny.words(guard), block)
    guard.release()
  }

/** Changes a block and marks it dirty. */
const change =
  (block: number, writeClass?: string): Act =>
  (tiny, { data }, index) => {
    const guard = data.acquireSync(block, 'modify')
    const count = tiny.bump(tiny.words(guard), block)
    guard.markDirty(writeClass)
    guard.release()
    if (block === 0) tiny.changed(index, count)
  }

/** Changes the block of the second partition, which has number 4 on the device. */
const changeMore =
  (writeClass?: string): Act =>
  (tiny, { client }) => {
    const guard = client.partition('more').acquireSync(0, 'modify')
    tiny.bump(tiny.words(guard), 4)
    guard.markDirty(writeClass)
    guard.release()
  }

/** A flush after the only change of that block. */
const flushMore: Act = (tiny, { context }) => {
  const { rounds, wait } = tiny.engine
  wait.runSync(rounds.flush(context, [{ group: 0 }]), true)
  if (tiny.durableCount(4) !== 1)
    throw new Error('the block of the second partition is not durable after the flush')
}

/** @throws unless the flush fails because the first partition does */
const flushFails: Act = (tiny, hand, index) => {
  try {
    flush(0)(tiny, hand, index)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_DCACHE_FENCED') return
    throw error
  }
  throw new Error('a flush succeeded although the fsync failed')
}

/** Writes a whole block without a guard. @requires that no other client changes it */
const write =
  (block: number): Act =>
  (tiny, { data }, index) => {
    const count = tiny.lastOf(index) + 1
    data.writeSync(tiny.contents(block, count), block * BLOCK)
    tiny.changed(index, count)
  }

/** Changes a block and discards the change. */
const discard =
  (block: number): Act =>
  (tiny, { data }) => {
    const guard = data.acquireSync(block, 'modify')
    tiny.bump(tiny.words(guard), block)
    guard.discard()
  }

/** Copies a block, without a latch where possible. */
const copy =
  (block: number): Act =>
  (tiny, { data }) => {
    const target = tiny.target()
    data.readSync(target, block * BLOCK)
    tiny.check(new Int32Array(target.buffer), block)
  }

/** Copies two neighbouring blocks; absent ones are read by one call of the device. */
const copyBoth =
  (first: number): Act =>
  (tiny, { data }) => {
    const target = new Uint8Array(2 * BLOCK)
    data.readSync(target, first * BLOCK)
    for (const i of [0, 1]) tiny.check(new Int32Array(target.buffer, i * BLOCK, BLOCK / 4), first + i)
  }

/** Prefetches two blocks, and is also the reader that loads them. */
const ahead =
  (first: number): Act =>
  (tiny, { context, data }) => {
    data.prefetch(first, 2)
    const reader = new tiny.engine.reader.Reader(context)
    while (reader.step() || reader.isBusy);
  }

/** Holds blocks at the same time. */
const hold =
  (...blocks: readonly number[]): Act =>
  (tiny, { data }) => {
    const guards = blocks.map((block) => data.acquireSync(block, 'read'))
    for (const [i, guard] of guards.entries()) tiny.check(tiny.words(guard), blocks[i]!)
    for (const guard of guards.reverse()) guard.release()
  }

/** Changes a block if that needs no wait; the release does not wait either. */
const tryChange =
  (block: number): Act =>
  (tiny, { data }, index) => {
    const guard = data.tryAcquire(block, 'modify')
    if (guard === undefined) return
    const count = tiny.bump(tiny.words(guard), block)
    guard.markDirty()
    guard.release()
    if (block === 0) tiny.changed(index, count)
  }

const evictAll: Act = (tiny, { context }) => {
  tiny.engine.forget.evictClean(context)
}

/** Flushes, and checks that changes released before are durable after it. The flush worker runs the round. */
const flush =
  (block: number): Act =>
  (tiny, { context }, index) => {
    const { rounds, wait } = tiny.engine
    wait.runSync(rounds.flush(context, [{ group: 0 }]), true)
    tiny.assertDurable(block, index)
  }

/** The same; the client runs the round itself if none is under way. */
const lead =
  (block: number): Act =>
  (tiny, { client }, index) => {
    client.flushSync()
    tiny.assertDurable(block, index)
  }

/** The first class only, by the flush worker, and by the client. */
const flushThrough =
  (block: number): Act =>
  (tiny, { context }, index) => {
    const { rounds, wait } = tiny.engine
    wait.runSync(rounds.flush(context, [{ group: 0, through: 1 }]), true)
    tiny.assertDurable(block, index)
  }
const leadThrough =
  (block: number): Act =>
  (tiny, { client }, index) => {
    client.flushSync({ through: 'data' })
    tiny.assertDurable(block, index)
  }

const all =
  (...acts: readonly Act[]): Act =>
  (...hand) => {
    for (const act of acts) act(...hand)
  }

/** A body in which each client does one operation. All changes are of block 0. */
const body =
  (
    options: Omit<TinyOptions, 'clients'>,
    acts: readonly Act[],
    {
      withEngine = false,
      writerLeaves = false,
      readsMax = Infinity,
    }: { withEngine?: boolean; writerLeaves?: boolean; readsMax?: number } = {},
  ): MakeBody =>
  (engine, memory) => {
    const tiny = new Tiny(engine, { ...options, clients: acts.length }, memory)
    const roles = tiny.roles(
      acts.map((act) => (hand, i) => {
        act(tiny, hand, i)
      }),
    )
    return tiny.body(
      [...roles, ...(withEngine ? crew(tiny, writerLeaves) : reapers(tiny))],
      (count, died) => {
        const reads = tiny.readsOf(0)
        const changes = acts.reduce((sum, _, i) => sum + tiny.changesOf(i), 0)
        const dead = died.filter((name) => name.startsWith('client')).length
        return [
          ...(died.length === 0 && reads > readsMax ? [`block 0 was read ${reads} times`] : []),
          ...between('block 0', count(0), changes, changes + dead),
        ]
      },
    )
  }

/**
 * A body with a client that is dead from the beginning: it had a pin on block 0, and block 1 half-changed. The reaper
 * begins at once. Changes are of block 0.
 */
const besideDead =
  (acts: readonly Act[]): MakeBody =>
  (engine, memory) => {
    const tiny = new Tiny(engine, { frames: 2, cached: 2, clients: acts.length + 1 }, memory)
    const stateAt = tiny.arena.slotAt(CLIENT_SLOT + acts.length) + Slot.state
    if (memory === undefined) {
      const { data } = tiny.client(CLIENT_SLOT + acts.length)
      data.acquireSync(0, 'read')
      tiny.words(data.acquireSync(1, 'modify'))[1] = 1
      tiny.arena.words[stateAt] = SlotState.DEAD
    }
    const roles = tiny.roles(
      acts.map((act) => (hand, i) => {
        act(tiny, hand, i)
      }),
    )
    const reaping = reapers(tiny).map((role) =>
      role.name === 'reaper' ? { ...role, startsOnDeath: false } : role,
    )
    return tiny.body([...roles, ...reaping, owner(tiny)], (count, died) => {
      const changes = acts.reduce((sum, _, i) => sum + tiny.changesOf(i), 0)
      return [
        ...(tiny.arena.words[stateAt] === SlotState.FREE ? [] : ['the slot of the dead is not free']),
        ...between('block 0', count(0), changes, changes + died.length),
        ...between('block 1', count(1), 0, 0),
      ]
    })
  }

const isClosedError = (error: unknown): boolean => (error as { code?: unknown }).code === 'ERR_DCACHE_CLOSED'

/** Reads a block of a cache that may be closing; its descriptor must stay open for as long as the guard is held. */
const readWhileOpen =
  (block: number): Act =>
  (tiny, { data }) => {
    let guard
    try {
      guard = data.acquireSync(block, 'read')
    } catch (error) {
      if (isClosedError(error)) return
      throw error
    }
    point(tiny.arena.words, 6)
    if (tiny.notes[Note.closed] === 1) throw new Error('a guard of a cache that is closed')
    guard.release()
  }

/** What the owner's close does (src/workers/host.ts), without the flush and the threads. */
const close: Act = (tiny, { context }) => {
  const { arena } = tiny
  const { changeState } = tiny.engine.engineState
  const { words } = context
  if (!changeState(words, EngineState.OPEN, EngineState.CLOSING)) return
  for (let slot = CLIENT_SLOT; slot < arena.geometry.slots; slot++)
    if (tiny.engine.slot.guardsOf(arena, slot) > 0) {
      // With guards held, closing fails and the cache stays open.
      changeState(words, EngineState.CLOSING, EngineState.OPEN)
      return
    }
  tiny.notes[Note.closed] = 1
  point(arena.words, 7)
  // So that the body can look at the blocks at the end.
  tiny.notes[Note.closed] = 0
  changeState(words, EngineState.CLOSING, EngineState.OPEN)
}

export const bodies: Readonly<Record<string, MakeBody>> = {
  /** Two clients request the same absent block: it is read once. */
  insert: body({ frames: 2 }, [read(0), read(0)], { readsMax: 1 }),
  insertThree: body({ frames: 3 }, [read(0), read(0), read(0)]),
  /** Two clients take free frames for different blocks. */
  free: body({ frames: 2 }, [read(0), read(1)]),
  /** The same, and one of them changes its block. */
  insertChange: body({ frames: 2 }, [change(0), read(0)], { readsMax: 1 }),
  /** A lookup concurrently with the eviction of its block. */
  evict: body({ frames: 2, cached: 2 }, [read(0), read(2)]),
  evictAll: body({ frames: 2, cached: 2 }, [all(read(0), read(1)), evictAll]),
  evictTwice: body({ frames: 2, cached: 2 }, [read(0), read(2), read(3)]),
  /** A block that was evicted returns. */
  evictBack: body({ frames: 2, cached: 3 }, [read(1), read(0)]),
  /** The search meets a dirty block, and one that its own thread holds, before the one that may go. */
  evictDirty: body({ frames: 2, cached: 2 }, [all(change(0), read(2)), read(3)]),
  evictHeld: body({ frames: 2, cached: 2 }, [hold(0, 2)]),
  /** With policy `adaptive`: the victim is one of MAIN, since those of NEW are held. */
  evictMain: body({ frames: 4, blocks: 6, cached: 4 }, [hold(2, 3, 4), read(0)]),
  /** Reads of two blocks concurrently with a request for the first or the second, and with each other. */
  run: body({ frames: 8 }, [copyBoth(0), read(1)], { readsMax: 1 }),
  runs: body({ frames: 8 }, [copyBoth(0), copyBoth(1)], { readsMax: 1 }),
  runEvict: body({ frames: 8, blocks: 10, cached: 8 }, [copyBoth(8), read(0)]),
  /** The reader concurrently with a client that requests the same block: it is read once. */
  ahead: body({ frames: 8 }, [ahead(0), read(0)], { readsMax: 1 }),
  aheadChange: body({ frames: 8 }, [ahead(0), change(0)], { readsMax: 1 }),
  aheadEvict: body({ frames: 8, blocks: 10, cached: 8 }, [ahead(8), read(9)]),
  /** Hit, hit, change: every mode of the latch. */
  latch: body({ frames: 2, cached: 1 }, [read(0), read(0), change(0)]),
  writers: body({ frames: 2, cached: 1 }, [change(0), change(0)]),
  /** A guard is given out, or the cache closes: not both. */
  close: body({ frames: 2, cached: 1 }, [readWhileOpen(0), close]),
  /** A copy without a latch, concurrently with a change and with the eviction of its block. */
  copyChange: body({ frames: 2, cached: 1 }, [copy(0), change(0)]),
  copyEvict: body({ frames: 2, cached: 2 }, [copy(0), read(2)]),
  /** A dirty block changed again: its saved image must survive the death of the thread that changes it. */
  rewrite: body({ frames: 2, cached: 1 }, [all(change(0), change(0)), read(0)]),
  /** The same with another class: both images are unwritten. */
  reclass: body({ frames: 2, cached: 1 }, [all(change(0, 'directory'), change(0, 'data')), read(0)]),
  discard: body({ frames: 2, cached: 1 }, [all(change(0), discard(0)), read(0)]),
  /** Both clients need both frames, or wait for one. */
  frames: body({ frames: 2, cached: 2 }, [hold(0, 1), read(2)]),
  /** Releases that may not wait, concurrently with threads that hold the mutex. */
  pending: body({ frames: 2, cached: 2 }, [all(tryChange(0), tryChange(0)), all(change(1), change(1))]),
  /** A client waits for a block whose release it left to another one: that is no wait for itself. */
  pendingOwn: body({ frames: 3, cached: 2 }, [all(change(1), change(1)), all(tryChange(0), change(0))]),
  pendingTwo: body({ frames: 3, cached: 2 }, [all(change(0), tryChange(0)), tryChange(0), change(0)]),
  /** Changes concurrently with rounds. */
  round: body({ frames: 2, cached: 1 }, [all(change(0), flush(0))], { withEngine: true }),
  /** The writer leaves while the round gives it a job. */
  roundLeave: body({ frames: 2, cached: 1 }, [all(change(0), flush(0))], {
    withEngine: true,
    writerLeaves: true,
  }),
  /** A partition that has all the frames that it may have: its next block takes one of its own, not the free one. */
  share: body({ frames: 3, cached: 2, framesMax: 2 }, [read(2), read(3)]),
  shareHit: body({ frames: 3, cached: 2, framesMax: 2 }, [read(2), all(read(0), read(1))]),
  shareChange: body({ frames: 3, cached: 2, framesMax: 2 }, [read(2), change(0)]),
  shareEvict: body({ frames: 3, cached: 2, framesMax: 2 }, [read(2), evictAll]),
  shareRound: body({ frames: 3, cached: 2, framesMax: 2 }, [all(change(0), change(1), read(2), flush(0))], {
    withEngine: true,
  }),
  /** Two partitions share one writer, and one of them fails: a lane reads the result of its job before the writer gets the next. */
  roundShare: body(
    { frames: 2, cached: 1, hasMore: true, fails: true },
    [all(change(0), changeMore(), flushFails)],
    {
      withEngine: true,
    },
  ),
  roundShareLeave: body(
    { frames: 2, cached: 1, hasMore: true, fails: true },
    [all(change(0), changeMore(), flushFails)],
    { withEngine: true, writerLeaves: true },
  ),
  /** A dirty victim leaves the policy, and the round readmits it. */
  roundEvict: body({ frames: 2, cached: 2 }, [all(change(0), read(2), flush(0))], { withEngine: true }),
  /** A block becomes clean while another client evicts what is. */
  roundEmpty: body({ frames: 2, cached: 2 }, [all(change(0), flush(0)), evictAll], {
    withEngine: true,
  }),
  roundTwo: body({ frames: 2, cached: 1 }, [all(change(0), flush(0)), change(0)], { withEngine: true }),
  roundFlushes: body({ frames: 2, cached: 1 }, [all(change(0), flush(0)), all(change(0), flush(0))], {
    withEngine: true,
  }),
  /** A dirty block is changed again during the round, with a spare of the thread's own; and written without an image. */
  roundHot: body({ frames: 2, cached: 1 }, [all(change(0), change(0), flush(0)), change(0)], {
    withEngine: true,
  }),
  roundWrite: body({ frames: 2, cached: 1 }, [all(write(0), write(0), flush(0)), flush(0)], {
    withEngine: true,
  }),
  rewriteCopy: body({ frames: 2, cached: 1 }, [all(write(0), write(0)), read(0)]),
  classes: body({ frames: 2, cached: 1 }, [all(change(0, 'directory'), change(0, 'data'), flush(0))], {
    withEngine: true,
  }),
  /** The same with rounds that clients lead, next to the flush worker's and to each other's. */
  led: body({ frames: 2, cached: 1 }, [all(change(0), lead(0))], { withEngine: true }),
  ledEvict: body({ frames: 2, cached: 2 }, [all(change(0), read(2), lead(0))], { withEngine: true }),
  ledTwo: body({ frames: 2, cached: 1 }, [all(change(0), lead(0)), change(0)], { withEngine: true }),
  ledFollow: body({ frames: 2, cached: 1 }, [all(change(0), lead(0)), all(change(0), lead(0))], {
    withEngine: true,
  }),
  ledBoth: body({ frames: 2, cached: 1 }, [all(change(0), lead(0)), all(change(0), flush(0))], {
    withEngine: true,
  }),
  ledWrite: body({ frames: 2, cached: 1 }, [all(write(0), write(0), lead(0)), lead(0)], { withEngine: true }),
  ledPending: body({ frames: 2, cached: 1 }, [all(change(0), lead(0)), tryChange(0)], { withEngine: true }),
  ledDiscard: body({ frames: 2, cached: 1 }, [all(change(0), lead(0)), discard(0)], { withEngine: true }),
  /** Partial rounds: alone, with each other, and while a round of all classes is under way, or has to begin. */
  partial: body({ frames: 2, cached: 1 }, [all(change(0), leadThrough(0))], { withEngine: true }),
  partialLater: body(
    { frames: 3, cached: 1, hasMore: true },
    [all(changeMore('directory'), change(0), leadThrough(0))],
    {
      withEngine: true,
    },
  ),
  partialBoth: body(
    { frames: 2, cached: 1 },
    [all(change(0), leadThrough(0)), all(change(0), leadThrough(0))],
    {
      withEngine: true,
    },
  ),
  partialRound: body({ frames: 2, cached: 1 }, [all(change(0), leadThrough(0)), all(change(0), flush(0))], {
    withEngine: true,
  }),
  partialStage: body(
    { frames: 3, cached: 1, hasMore: true },
    [all(change(0), leadThrough(0)), all(changeMore('directory'), flushMore)],
    { withEngine: true },
  ),
  partialAsked: body(
    { frames: 3, cached: 1, hasMore: true },
    [all(change(0), flushThrough(0)), all(changeMore('directory'), flushMore)],
    { withEngine: true },
  ),
  partialLed: body({ frames: 2, cached: 1 }, [all(change(0), leadThrough(0)), all(change(0), lead(0))], {
    withEngine: true,
  }),
  partialLedAsked: body(
    { frames: 2, cached: 1 },
    [all(change(0), leadThrough(0)), all(change(0), flushThrough(0))],
    { withEngine: true },
  ),
  partialClasses: body(
    { frames: 2, cached: 1 },
    [all(change(0, 'directory'), change(0, 'data'), leadThrough(0))],
    { withEngine: true },
  ),
  /** Images in a frame of the pool: it is borrowed while others evict, returns after the round, or when a frame is needed. */
  borrow: body({ frames: 3, cached: 2, borrows: true }, [all(change(0), change(0)), read(2)]),
  borrowRound: body({ frames: 3, cached: 2, borrows: true }, [all(change(0), change(0), flush(0)), read(2)], {
    withEngine: true,
  }),
  borrowTwo: body(
    { frames: 3, cached: 1, borrows: true },
    [all(change(0), change(0)), all(change(0), flush(0))],
    {
      withEngine: true,
    },
  ),
  borrowClasses: body(
    { frames: 2, cached: 1, borrows: true },
    [all(change(0, 'directory'), change(0, 'data'), flush(0)), read(1)],
    { withEngine: true },
  ),
  borrowBack: body({ frames: 2, cached: 1, borrows: true }, [all(change(0), discard(0)), read(1)], {
    withEngine: true,
  }),
  /** Releases while the reaper counts the same pins out; changes that wait for a dead reader's pin; the undo of a change. */
  releaseReaper: besideDead([read(0), read(0)]),
  changeReaper: besideDead([read(0), change(0)]),
  undoReaper: besideDead([read(1), read(1)]),
  roundPending: body({ frames: 2, cached: 1 }, [all(change(0), flush(0)), tryChange(0)], {
    withEngine: true,
  }),
  roundDiscard: body({ frames: 2, cached: 1 }, [all(change(0), flush(0)), discard(0)], { withEngine: true }),
}
