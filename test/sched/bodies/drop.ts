// A partition that is dropped, or made smaller, while other clients use it. Its descriptor is closed then, and its number belongs to the next
// partition at once, whose blocks say so: no client may read through the descriptor after that, nor get a block of the next
// partition for one of the former.

import { point } from '../atomics.js'
import type { MakeBody } from '../body.js'
import { NEXT, NEXT_FD, Note, Tiny, type TinyOptions } from './tiny.js'
import { crew, reapers } from './workers.js'
import type { PartitionView } from '#dist/core/context.js'
import type { Partition } from '#dist/shared/interface.js'
import { Frame } from '#dist/shared/words.js'

type Hand = ReturnType<Tiny['client']>
type Act = (tiny: Tiny, hand: Hand, index: number) => void

const isGone = (error: unknown): boolean =>
  ['ERR_DCACHE_UNKNOWN_PARTITION', 'ERR_DCACHE_OUT_OF_RANGE'].includes((error as { code: string }).code)

/** Uses the first partition; ends if it is dropped, or if the client came too late. */
const whileThere =
  (use: (tiny: Tiny, hand: Hand, index: number) => void): Act =>
  (tiny, hand, index) => {
    try {
      const { view } = hand.data as Partition & { view: PartitionView }
      if (view.generation === 0) use(tiny, hand, index)
    } catch (error) {
      if (!isGone(error)) throw error
    }
  }

const assertThere = (tiny: Tiny): void => {
  point(tiny.arena.words, 6)
  if (tiny.notes[Note.closed] === 1) throw new Error('a guard of a partition that was dropped')
}

const read = (block: number): Act =>
  whileThere((tiny, { data }) => {
    const guard = data.acquireSync(block, 'read')
    tiny.check(tiny.words(guard), block)
    assertThere(tiny)
    guard.release()
  })

const copy = (block: number): Act =>
  whileThere((tiny, { data }) => {
    const target = tiny.target()
    data.readSync(target, block * target.length)
    tiny.check(new Int32Array(target.buffer), block)
  })

const change = (block: number): Act =>
  whileThere((tiny, { data }) => {
    const guard = data.acquireSync(block, 'modify')
    tiny.bump(tiny.words(guard), block)
    guard.markDirty()
    assertThere(tiny)
    guard.release()
  })

/** A change, and a round that writes it. */
const changeAndKick =
  (block: number): Act =>
  (tiny, hand, index) => {
    change(block)(tiny, hand, index)
    hand.client.kick()
  }

const write = (block: number): Act =>
  whileThere((tiny, { data }) => {
    data.writeSync(tiny.contents(block, 1), block * tiny.contents(block, 1).length)
  })

const forget = (block: number): Act =>
  whileThere((_, { data }) => {
    data.forget(block, 1)
  })

const ahead = (block: number): Act =>
  whileThere((tiny, { context, data }) => {
    data.prefetch(block, 1)
    const reader = new tiny.engine.reader.Reader(context)
    while (reader.step() || reader.isBusy);
  })

/** Drops the partition; the next one takes its number, and reads its first block. */
const drop =
  (flushes: boolean): Act =>
  (tiny, { context, client }) => {
    const { engine, arena, notes } = tiny
    const view = context.partitions.at(0)
    engine.wait.runSync(engine.drop.drop(context, view, flushes, new engine.wait.Deadline(1e9)), true)
    notes[Note.closed] = 1 // its descriptor
    const { name, group, blockSize, readOnly, blocks } = view
    const record = { name, group, blockSize, readOnly, fd: NEXT_FD, offset: 0, direct: false, share: 0 }
    engine.partitionRecord.openRecord(arena, 0, record, blocks)
    const guard = client.partition('data').acquireSync(0, 'read')
    if (tiny.words(guard)[0] !== NEXT) throw new Error(`the next partition has ${tiny.words(guard)[0]!}`)
    guard.release()
  }

/** Makes the partition smaller by all but its first block; then the file has no other, and a call beyond it fails. */
const shrink: Act = (tiny, { context }) => {
  const { engine, notes } = tiny
  const view = context.partitions.at(0)
  engine.wait.runSync(engine.shrink.shrink(context, view, 1, new engine.wait.Deadline(1e9)), true)
  notes[Note.closed] = 1
}

const body =
  (
    options: Omit<TinyOptions, 'clients'>,
    acts: readonly Act[],
    withEngine = false,
    verify = onlyNext,
  ): MakeBody =>
  (engine, memory) => {
    const tiny = new Tiny(engine, { ...options, clients: acts.length }, memory)
    const roles = tiny.roles(
      acts.map((act) => (hand, i) => {
        act(tiny, hand, i)
      }),
    )
    // The client that drops is the owner: its death is the end of the cache.
    const last = roles.length - 1
    const mortal = roles.map((role, i) => (i === last ? { ...role, isMortal: false } : role))
    return tiny.body([...mortal, ...(withEngine ? crew(tiny) : reapers(tiny))], () => verify(tiny))
  }

/** Errors, if a frame has a block of the former partition. */
function onlyNext(tiny: Tiny): string[] {
  const { words } = tiny.arena
  const wrong: string[] = []
  for (let frame = 0; frame < tiny.arena.geometry.blocks; frame++) {
    const at = tiny.arena.frameAt(frame)
    if (words[at + Frame.keyHigh] === 0) continue
    // Of the next partition only block 0 is read.
    if (words[at + Frame.keyLow] !== 0)
      wrong.push(`frame ${frame} has a key of the partition that was dropped`)
    if (tiny.arena.isAbsent(frame)) continue
    const number = tiny.numberIn(frame)
    if (number < NEXT) wrong.push(`frame ${frame} has block ${number} of the partition that was dropped`)
  }
  return wrong
}

/** What is beyond the end of a partition that is made smaller. All clients use block 1. */
const shrinkBody = (options: Omit<TinyOptions, 'clients'>, act: Act, withEngine = false): MakeBody =>
  body(options, [act, shrink], withEngine, (tiny) => {
    const { words } = tiny.arena
    const wrong: string[] = []
    for (let frame = 0; frame < tiny.arena.geometry.blocks; frame++) {
      const at = tiny.arena.frameAt(frame)
      if (words[at + Frame.keyHigh] !== 0 && words[at + Frame.keyLow] !== 0)
        wrong.push(`frame ${frame} has a block beyond the end`)
    }
    return wrong
  })

export const bodies: Readonly<Record<string, MakeBody>> = {
  hit: body({ frames: 2, cached: 1 }, [read(0), drop(false)]),
  miss: body({ frames: 2 }, [read(0), drop(false)]),
  missOther: body({ frames: 2 }, [read(1), drop(false)]),
  twoMisses: body({ frames: 2 }, [read(0), read(0), drop(false)]),
  copyHit: body({ frames: 2, cached: 1 }, [copy(0), drop(false)]),
  copyMiss: body({ frames: 2 }, [copy(0), drop(false)]),
  change: body({ frames: 2, cached: 1 }, [change(0), drop(false)]),
  changeMiss: body({ frames: 2 }, [change(0), drop(false)]),
  write: body({ frames: 2, cached: 1 }, [write(0), drop(false)]),
  forget: body({ frames: 2, cached: 1 }, [forget(0), drop(false)]),
  ahead: body({ frames: 2 }, [ahead(0), drop(false)]),
  waits: body({ frames: 2, cached: 1 }, [change(0), read(0), drop(false)]),
  /** The round of the flush, and the drop of a block that it may write. */
  flushes: body({ frames: 2, cached: 1 }, [change(0), drop(true)], true),
  shrinkHit: shrinkBody({ frames: 2, cached: 2 }, read(1)),
  shrinkMiss: shrinkBody({ frames: 2 }, read(1)),
  shrinkCopy: shrinkBody({ frames: 2, cached: 2 }, copy(1)),
  shrinkChange: shrinkBody({ frames: 2, cached: 2 }, change(1)),
  shrinkWrite: shrinkBody({ frames: 2, cached: 2 }, write(1)),
  shrinkAhead: shrinkBody({ frames: 2 }, ahead(1)),
  shrinkRound: shrinkBody({ frames: 2, cached: 2 }, changeAndKick(1), true),
  forgets: body({ frames: 2, cached: 1 }, [changeAndKick(0), drop(false)], true),
}
