// The queue of one latch: readers, writers, clients that load and then read, and clients that give up. They use the public
// calls on a tiny cache, so that names, contents, journals and the reaper take part.

import { load, notify, store, wait } from '../atomics.js'
import type { MakeBody } from '../body.js'
import { between, CLIENT_SLOT, OWNER_SLOT, Tiny } from './tiny.js'
import { reapers } from './workers.js'
import type { CacheError } from '#dist/shared/errors.js'
import type { BlockGuard, Mode, Partition } from '#dist/shared/interface.js'
import { Frame, Wait } from '#dist/shared/words.js'

type Act = (tiny: Tiny, data: Partition, index: number) => void

const read: Act = (tiny, data) => {
  const guard = data.acquireSync(0, 'read')
  tiny.check(tiny.words(guard), 0)
  guard.release()
}

const change = (tiny: Tiny, guard: BlockGuard, index: number): void => {
  const count = tiny.bump(tiny.words(guard), 0)
  guard.markDirty()
  guard.release()
  tiny.changed(index, count)
}

const write: Act = (tiny, data, index) => {
  change(tiny, data.acquireSync(0, 'modify'), index)
}

/** A call whose deadline passes when it would sleep for the first time. */
const quits =
  (mode: Mode): Act =>
  (tiny, data, index) => {
    let guard
    try {
      guard = data.acquireSync(0, mode, { timeoutMs: 0 })
    } catch (error) {
      const { code } = error as CacheError
      if (code === 'ERR_DCACHE_TIMEOUT' || code === 'ERR_DCACHE_EXHAUSTED') return
      throw error
    }
    if (mode === 'read') guard.release()
    else change(tiny, guard, index)
  }

/** Holds the block twice at a time: the second request must not queue behind a writer that waits for the first. */
const readTwice: Act = (tiny, data) => {
  const first = data.acquireSync(0, 'read')
  const second = data.acquireSync(0, 'read')
  tiny.check(tiny.words(second), 0)
  second.release()
  first.release()
}

const inTurn =
  (...acts: readonly Act[]): Act =>
  (...args) => {
    for (const act of acts) act(...args)
  }

/** A word of the arena that nothing in these bodies uses: 1 when `joins` has read. */
const joinedAt = ({ arena }: Tiny): number => arena.waitAt(OWNER_SLOT, 100) + Wait.wake

/** Reads, and keeps its guard until another reader has the block too: a mark without a waiting writer would block both. */
const readsUntilJoined: Act = (tiny, data) => {
  const { words } = tiny.arena
  const guard = data.acquireSync(0, 'read')
  while (load(words, joinedAt(tiny)) === 0) wait(words, joinedAt(tiny), 0, 1000)
  guard.release()
}

const joins: Act = (tiny, data, index) => {
  try {
    read(tiny, data, index)
  } finally {
    store(tiny.arena.words, joinedAt(tiny), 1)
    notify(tiny.arena.words, joinedAt(tiny))
  }
}

interface Start {
  /** Whether the blocks are cached at the beginning. */
  readonly cached: boolean
  /** The blocks that a client has latched from the beginning, and the client of each. */
  readonly latched?: Readonly<Record<number, number>>
}

/** Releases the latch that the client has from the beginning. */
const leaves =
  (block: number): Act =>
  (tiny, _, index) => {
    const { latches } = tiny.context(CLIENT_SLOT + index)
    latches.unlatch(frameOf(tiny, block))
  }

/** The frame that holds a block. */
function frameOf({ arena }: Tiny, block: number): number {
  for (let frame = 0; frame < arena.geometry.blocks; frame++) {
    const at = arena.frameAt(frame)
    if (arena.words[at + Frame.keyHigh] !== 0 && arena.words[at + Frame.keyLow] === block) return frame
  }
  throw new Error(`block ${block} is not cached`)
}

const body =
  ({ cached, latched = {} }: Start, acts: readonly Act[]): MakeBody =>
  (engine, memory) => {
    const tiny = new Tiny(engine, { frames: 2, cached: cached ? 2 : 0, clients: acts.length }, memory)
    const { arena } = tiny
    if (memory === undefined)
      for (const [block, client] of Object.entries(latched))
        arena.words[arena.latchAt(frameOf(tiny, Number(block)))] = (CLIENT_SLOT + client + 1) << 16
    const roles = tiny.roles(
      acts.map((act) => ({ data }, i) => {
        act(tiny, data, i)
      }),
    )
    return tiny.body([...roles, ...reapers(tiny)], (count, died) => {
      const changes = acts.reduce((sum, _, i) => sum + tiny.changesOf(i), 0)
      return between('block 0', count(0), changes, changes + died.length)
    })
  }

const CACHED = { cached: true }
const ABSENT = { cached: false }

export const bodies: Readonly<Record<string, MakeBody>> = {
  writers: body(CACHED, [write, write]),
  threeWriters: body(CACHED, [write, write, write]),
  modes: body(CACHED, [read, read, write]),
  readTwice: body(CACHED, [readTwice, write]),
  readTwiceAmong: body(CACHED, [readTwice, write, read]),
  /** One client loads the block, the others wait for it. */
  load: body(ABSENT, [read, read]),
  threeLoad: body(ABSENT, [read, read, read]),
  loadAndWrite: body(ABSENT, [read, read, write]),
  /** The waiting clients give up. */
  quitWriter: body(CACHED, [read, quits('modify'), read]),
  quitWriters: body(CACHED, [write, quits('modify'), quits('modify')]),
  quitReader: body(CACHED, [write, quits('read'), read]),
  quitAmong: body(CACHED, [write, quits('modify'), write]),
  quitLoader: body(ABSENT, [read, quits('read'), read]),
  /** A reader that returns finds a mark, and not always a writer that waits. */
  comesBack: body(CACHED, [inTurn(read, read), quits('modify'), read]),
  comesBackToWriter: body(CACHED, [inTurn(read, read), write]),
  /** A client that gives up in one mode waits again in the other. */
  changesMode: body(CACHED, [write, inTurn(quits('modify'), read)]),
  changesModeAmong: body(CACHED, [write, inTurn(quits('modify'), read), write]),
  /** A client gives up at the moment when it is next. */
  quitFirst: body(CACHED, [write, quits('modify')]),
  quitNext: body({ cached: true, latched: { 0: 2 } }, [quits('modify'), write, leaves(0)]),
  /** All wait for a client that has the latch from the beginning. */
  held: body({ cached: true, latched: { 0: 2 } }, [write, write, leaves(0)]),
  /** A client gives up and waits for a block of the next client in the queue: an offer to it would block both. */
  elsewhere: body({ cached: true, latched: { 1: 2 } }, [
    write,
    inTurn(quits('modify'), (_, data) => data.acquireSync(1, 'read').release()),
    inTurn(write, leaves(1)),
  ]),
  /** Readers that need each other, and a writer that gives up. */
  joined: body(CACHED, [readsUntilJoined, quits('modify'), joins]),
  joinedLater: body(CACHED, [inTurn(read, joins), readsUntilJoined, quits('modify')]),
}
