// Commits of several blocks. Every commit moves a count of one from one block to another, so the sum of the counts is 0 for each
// thread that holds all of them, in every cut, and after every death.

import { quietLoad, quietStore, wait } from '../atomics.js'
import type { MakeBody, Role } from '../body.js'
import { between, CLIENT_SLOT, FLUSH_SLOT, Tiny, type TinyOptions } from './tiny.js'
import { crew, reapers } from './workers.js'
import type { BlockGuard } from '#dist/shared/interface.js'
import { Frame, Group, Slot, SlotState } from '#dist/shared/words.js'

type Hand = ReturnType<Tiny['client']>
type Act = (tiny: Tiny, hand: Hand, index: number) => void

/** The classes of the two blocks. */
type Classes = readonly [string, string]
const FIRST: Classes = ['data', 'data']
/** Their images are saved, so what a round writes is exactly a cut. */
const SECOND: Classes = ['directory', 'directory']

function moveBetween(tiny: Tiny, blocks: readonly number[], guards: readonly BlockGuard[], classes: Classes) {
  const counts = guards.map((guard, i) => {
    const count = tiny.bump(tiny.words(guard), blocks[i]!, i === 0 ? -1 : 1)
    guard.markDirty(classes[i])
    return count
  })
  return counts[1]!
}

/** Commits a change of both blocks. */
const move =
  (from: number, to: number, classes = FIRST): Act =>
  (tiny, { client, data }, index) => {
    const low = data.acquireSync(Math.min(from, to), 'modify')
    const high = data.acquireSync(Math.max(from, to), 'modify')
    const guards = from < to ? [low, high] : [high, low]
    const count = moveBetween(tiny, [from, to], guards, classes)
    client.commit(...guards)
    tiny.changed(index, count)
  }

/** The same by an update, which acquires the blocks in the order of their keys. */
const update =
  (from: number, to: number): Act =>
  (tiny, { client, data }, index) => {
    const blocks = [[data, from] as const, [data, to] as const]
    const count = client.updateSync(blocks, (guards) => moveBetween(tiny, [from, to], guards, FIRST))
    tiny.changed(index, count)
  }

/** Holds all blocks to read. @throws if it sees some blocks of a commit changed and others not */
const readAll =
  (...blocks: readonly number[]): Act =>
  (tiny, { data }) => {
    const guards = blocks.map((block) => data.acquireSync(block, 'read'))
    assertWhole(
      'a reader',
      guards.map((guard, i) => tiny.check(tiny.words(guard), blocks[i]!)),
    )
    for (const guard of guards) guard.release()
  }

function assertWhole(what: string, counts: readonly number[]): void {
  if (counts.reduce((sum, count) => sum + count, 0) !== 0)
    throw new Error(`${what} has a part of a commit: counts ${counts.join(', ')}`)
}

/** Releases a block alone, under the round mutex if it was clean; its count stays. */
const touch =
  (block: number): Act =>
  (tiny, { data }) => {
    const guard = data.acquireSync(block, 'modify')
    tiny.bump(tiny.words(guard), block, 0)
    guard.markDirty()
    guard.release()
  }

/** @throws unless the client's last commit is durable; with `isCut`, if a part of any commit is */
function assertDurable(tiny: Tiny, index: number, isCut: boolean): void {
  const counts = [0, 1].map((block) => tiny.durableCount(block))
  const last = tiny.lastOf(index)
  if (counts[0]! > -last || counts[1]! < last)
    throw new Error(`durable after the flush: counts ${counts.join(', ')}, committed ${last}`)
  if (isCut) assertWhole('the disk', counts)
}

/** Flushes after moves from block 0 to 1. The flush worker runs the round. */
const flush =
  (isCut: boolean): Act =>
  (tiny, { context }, index) => {
    const { rounds, wait } = tiny.engine
    wait.runSync(rounds.flush(context, [{ group: 0 }]), true)
    assertDurable(tiny, index, isCut)
  }

/** The same; the client runs the round. */
const lead =
  (isCut: boolean): Act =>
  (tiny, { client }, index) => {
    client.flushSync()
    assertDurable(tiny, index, isCut)
  }

const kick: Act = (_, { client }) => {
  client.kick()
}

const all =
  (...acts: readonly Act[]): Act =>
  (...hand) => {
    for (const act of acts) act(...hand)
  }

const body =
  (
    options: Omit<TinyOptions, 'clients'>,
    acts: readonly Act[],
    { withEngine = false, isCut = false, together = 0 } = {},
  ): MakeBody =>
  (engine, memory) => {
    const tiny = new Tiny(engine, { ...options, clients: acts.length }, memory)
    const roles = rolesOf(tiny, acts)
    if (memory === undefined) quietStore(tiny.arena.words, tiny.arena.groupAt(0) + Group.together, together)
    return tiny.body([...roles, ...(withEngine ? crew(tiny) : reapers(tiny))], (count) => {
      const cached = Array.from({ length: options.cached! }, (_, block) => block)
      const durable = cached.map((block) => tiny.durableCount(block))
      return [...notWhole('the memory', cached.map(count)), ...(isCut ? notWhole('the disk', durable) : [])]
    })
  }

const rolesOf = (tiny: Tiny, acts: readonly Act[]) =>
  tiny.roles(
    acts.map((act) => (hand, i) => {
      act(tiny, hand, i)
    }),
  )

function notWhole(what: string, counts: readonly number[]): string[] {
  const sum = counts.reduce((a, b) => a + b, 0)
  return sum === 0 ? [] : [`${what} has a part of a commit: counts ${counts.join(', ')}`]
}

/** Puts a commit of blocks 0 and 1 on the stack, as a client that dies before it tries the mutex. */
function pushAndDie(tiny: Tiny, slot: number, before: () => void = () => undefined): void {
  const { arena, engine } = tiny
  const { context, data } = tiny.client(slot)
  const guards = [0, 1].map((block) => data.acquireSync(block, 'modify'))
  before()
  moveBetween(tiny, [0, 1], guards, FIRST)
  const changes = guards.map(({ block }) => ({ frame: frameOf(tiny, block), released: 1 }))
  engine.pending.pushAll(context, 0, changes)
  quietStore(arena.words, arena.slotAt(slot) + Slot.state, SlotState.DEAD)
}

function frameOf({ arena }: Tiny, block: number): number {
  for (let frame = 0; ; frame++) {
    const at = arena.frameAt(frame)
    if (arena.words[at + Frame.keyHigh] !== 0 && arena.words[at + Frame.keyLow] === block) return frame
  }
}

/**
 * A body with a client that is dead from the beginning, with its commit on the stack. Next to the reaper another client settles
 * that, acquires the blocks, and does the same: it may be found dead while the reaper has the mutex.
 */
const afterDead: MakeBody = (engine, memory) => {
  const tiny = new Tiny(engine, { frames: 3, cached: 2, clients: 2 }, memory)
  const stateAt = (client: number) => tiny.arena.slotAt(CLIENT_SLOT + client) + Slot.state
  if (memory === undefined) pushAndDie(tiny, CLIENT_SLOT + 1)
  const reaper: Role = {
    name: 'reaper',
    run: () => {
      const context = tiny.context(FLUSH_SLOT)
      tiny.engine.reaper.reapDead(context)
      while (quietLoad(context.words, stateAt(0)) === SlotState.LIVE)
        wait(context.words, stateAt(0), SlotState.LIVE, 1)
      tiny.engine.reaper.reapDead(context)
    },
  }
  const dying: Role = {
    name: 'client 0',
    run: () => {
      const { words } = tiny.arena
      const mutexAt = tiny.arena.groupAt(0) + Group.mutex
      tiny.client(CLIENT_SLOT).client.kick()
      pushAndDie(tiny, CLIENT_SLOT, () => {
        wait(words, mutexAt, quietLoad(words, mutexAt), 1)
      })
    },
  }
  return tiny.body([reaper, dying], (count) => [
    ...[0, 1].flatMap((client) =>
      tiny.arena.words[stateAt(client)] === SlotState.FREE
        ? []
        : [`the slot of client ${client} is not free`],
    ),
    ...notWhole('the memory', [0, 1].map(count)),
    ...between('block 1', count(1), 2, 2),
  ])
}

const SMALL = { frames: 3, cached: 2 }
/** One frame more: as many blocks as there are frames may not be dirty. */
const LARGE = { frames: 4, cached: 3 }

export const bodies: Readonly<Record<string, MakeBody>> = {
  /** A commit next to a reader of both blocks; then of blocks that are dirty, with undo images. */
  one: body(SMALL, [move(0, 1), readAll(0, 1)]),
  again: body(SMALL, [all(move(0, 1), move(1, 0)), readAll(0, 1)]),
  /** Two threads whose commits overlap, and a reader of all. */
  two: body(LARGE, [move(0, 1), move(1, 2), readAll(0, 1, 2)]),
  /** There are two spares, so the threads may have to wait for a round. */
  twoAgain: body(LARGE, [all(move(0, 1), move(1, 2)), all(move(2, 1), move(1, 0))], { withEngine: true }),
  same: body(SMALL, [move(0, 1), move(0, 1), readAll(0, 1)]),
  /** Next to releases under the mutex, whose threads settle the commit. */
  beside: body(LARGE, [move(0, 1), all(touch(2), touch(2))]),
  /** In opposite orders: without an order of their own they would wait for each other. */
  update: body(SMALL, [update(0, 1), update(1, 0)]),
  /** Next to rounds. */
  round: body(SMALL, [all(move(0, 1, SECOND), flush(true))], { withEngine: true, isCut: true }),
  roundTwo: body(SMALL, [all(move(0, 1, SECOND), flush(true)), move(0, 1, SECOND)], {
    withEngine: true,
    isCut: true,
  }),
  roundFirst: body(SMALL, [all(move(0, 1), flush(false)), move(0, 1)], { withEngine: true }),
  /** Both blocks change their classes in one commit, while a round of the former ones may be under way. */
  classes: body(
    SMALL,
    [all(move(0, 1, ['directory', 'data']), move(0, 1, ['data', 'directory']), flush(false)), kick],
    { withEngine: true },
  ),
  led: body(SMALL, [all(move(0, 1, SECOND), lead(true)), move(0, 1, SECOND)], {
    withEngine: true,
    isCut: true,
  }),
  /** With a journal: records of a leader, and of the flush worker next to writes in place. */
  journal: body({ ...SMALL, isJournaled: true }, [all(move(0, 1), lead(true)), move(0, 1)], {
    withEngine: true,
    isCut: true,
  }),
  /** Two threads that expect each other: one leads for both, or one's time is over first. */
  journalGather: body(
    { ...SMALL, isJournaled: true },
    [all(move(0, 1), lead(true)), all(move(0, 1), lead(true))],
    { withEngine: true, isCut: true, together: 2 },
  ),
  journalRound: body({ ...SMALL, isJournaled: true }, [all(move(0, 1), kick, flush(true)), move(0, 1)], {
    withEngine: true,
    isCut: true,
  }),
  journalPlaces: body(
    { ...SMALL, isJournaled: true },
    [all(move(0, 1), lead(true), kick, move(0, 1), lead(true))],
    {
      withEngine: true,
      isCut: true,
    },
  ),
  /** The reaper next to a client that settles what the dead have left, and to one that dies after its own commit. */
  reaper: afterDead,
}
