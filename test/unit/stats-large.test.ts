// `stats` of a pool with more frames than it looks at: what is counted is exact, the rest is near enough, the sums agree, and it looks
// at no more frames than it says, whatever pattern the pool has. The pool has words only: no block of it is ever used.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SAMPLE } from '#dist/core/inspect/frame-counts.js'
import { stats } from '#dist/core/inspect/stats.js'
import type { Context } from '#dist/core/context.js'
import { keyHighOf } from '#dist/shared/key.js'
import { stampOf } from '#dist/shared/stamp.js'
import { smallArena, smallContext } from '../support/small-context.js'
import { Frame, Group, Header, Journal, Partition, Slot, State } from '#dist/shared/words.js'

const FRAMES = 310_000

type Kind = 'free' | 'dirty' | 'absent' | 'a' | 'b'

const partitions = { a: { path: 'a', blockSize: 512 }, b: { path: 'b', blockSize: 512 } }

/** A pool in which each frame is of the kind that `kindOf` says; and how many of each kind there are. */
function pool(
  frames: number,
  kindOf: (frame: number) => Kind,
): { context: Context; is: Record<Kind, number> } {
  const arena = smallArena({ memory: Math.ceil((frames * 64) / 63) * 512, partitions }, frames)
  const { words } = arena
  const is = { free: 0, dirty: 0, absent: 0, a: 0, b: 0 }
  for (let frame = 0; frame < arena.frames; frame++) {
    const kind = kindOf(frame)
    is[kind]++
    if (kind === 'free') continue
    const at = arena.frameAt(frame)
    words[at + Frame.keyHigh] = keyHighOf(kind === 'b' ? 1 : 0, frame)
    words[at + Frame.keyLow] = frame
    words[at + Frame.state] = kind === 'dirty' ? stampOf(1, 1) : kind === 'absent' ? State.ABSENT : 0
  }
  words[Header.freeCount] = is.free
  words[arena.groupAt(0) + Group.dirty] = is.dirty
  words[arena.partitionAt(0) + Partition.dirty] = is.dirty
  return { context: smallContext(arena), is }
}

/** The same context, and how many frames are looked at through it. */
function counted(context: Context): { context: Context; looks: () => number } {
  let looks = 0
  const { arena } = context
  const frameAt = (frame: number) => {
    looks++
    return arena.frameAt(frame)
  }
  const spy = Object.create(arena, { frameAt: { value: frameAt } }) as typeof arena
  return { context: Object.create(context, { arena: { value: spy } }) as Context, looks: () => looks }
}

const KINDS: readonly Kind[] = ['free', 'dirty', 'absent', 'a', 'b']

const POOLS: Record<string, (frame: number) => Kind> = {
  'the kinds one after the other': (frame) => KINDS[Math.floor((frame * 5) / FRAMES) % 5]!,
  'the kinds in turn': (frame) => KINDS[frame % 5]!,
  'turns as long as the runs of which one frame is looked at': (frame) =>
    KINDS[Math.floor((frame * SAMPLE * 5) / FRAMES) % 5]!,
  'turns of two in a run': (frame) => KINDS[Math.floor((frame * SAMPLE * 2) / FRAMES) % 5]!,
  'hardly anything is absent': (frame) => (frame % 1000 === 0 ? 'absent' : frame % 2 === 0 ? 'a' : 'b'),
  'nearly all is free': (frame) => (frame % 100 === 0 ? 'a' : frame % 100 === 50 ? 'b' : 'free'),
}

for (const [name, kindOf] of Object.entries(POOLS))
  test(`a large pool: ${name}`, () => {
    const { context: own, is } = pool(FRAMES, kindOf)
    const { context, looks } = counted(own)
    const { size, dirty, blocks, partitions } = stats(context)
    assert.ok(size >= FRAMES)
    assert.ok(looks() <= SAMPLE, `${looks()} looks`)
    assert.equal([blocks.free, blocks.dirty, dirty, blocks.held], [is.free, is.dirty, is.dirty, 0])
    assert.is(blocks.free + blocks.dirty + blocks.absent + blocks.clean, size)
    const [a, b] = [partitions['a']!.cached, partitions['b']!.cached]
    assert.is(a + b, blocks.clean + blocks.dirty)
    const isNear = (what: string, value: number, right: number) => {
      assert.ok(Math.abs(value - right) <= size / 100, `${what}: ${value} of ${right}`)
    }
    isNear('absent', blocks.absent, is.absent)
    isNear('clean', blocks.clean, is.a + is.b)
    isNear('a', a, is.a + is.dirty)
    isNear('b', b, is.b)
  })

test('the first block of a large pool is counted', () => {
  const { context } = pool(FRAMES, (frame) => (frame === 4711 ? 'a' : 'free'))
  const { blocks } = stats(context)
  assert.equal([blocks.clean, blocks.absent], [1, 0])
})

test('guards are counted: a block once, whatever the number of its readers', () => {
  const { context } = pool(FRAMES, () => 'a')
  const { words, arena, slot } = context
  const other = smallContext(arena)
  words[arena.journalAt(slot.index)] = (5 << 2) | Journal.HELD
  words[arena.journalAt(slot.index) + 3] = (6 << 2) | Journal.HELD
  words[arena.journalAt(other.slot.index)] = (5 << 2) | Journal.HELD
  words[arena.slotAt(slot.index) + Slot.guards] = 4
  words[arena.slotAt(other.slot.index) + Slot.guards] = 1
  assert.is(stats(context).blocks.held, 2 + 2)
})

test('a pool of no more frames than are looked at is counted exactly', () => {
  const { context, is } = pool(SAMPLE - 1000, (frame) => KINDS[(frame * 7) % 5]!)
  assert.ok(context.arena.frames <= SAMPLE)
  const { blocks, partitions } = stats(context)
  assert.equal(blocks, { free: is.free, clean: is.a + is.b, dirty: is.dirty, absent: is.absent, held: 0 })
  assert.equal([partitions['a']!.cached, partitions['b']!.cached], [is.a + is.dirty, is.b])
})

test.run()
