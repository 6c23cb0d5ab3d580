/**
 * Replays a trace of block numbers through a victim policy without a cache, as a cache of clean blocks would drive it.
 * The tests of the policies use it too.
 */

import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { policyOf } from '#dist/core/policy/policies.js'
import type { Policy } from '#dist/core/policy/policy.js'
import { Arena } from '#dist/shared/arena.js'
import { type Geometry } from '#dist/shared/layout.js'
import { attachSlot } from '#dist/shared/slot.js'
import { Frame } from '#dist/shared/words.js'

export type PolicyName = 'lru2' | '2q'

/** The memory that a policy needs for this many blocks. */
export function policyArena(policy: PolicyName, blocks: number): Arena {
  const geometry: Geometry = {
    blocks,
    spares: 0,
    loans: 0,
    frameSize: 512,
    partitions: 1,
    groups: 1,
    slots: 1,
    stripes: 1,
    buckets: 1,
    traceEntries: 0,
    classes: 1,
    ghosts: policy === '2q' ? blocks : 0,
    writers: 1,
  }
  return Arena.create(geometry, 1, 2)
}

export const policyIn = (arena: Arena, policy: PolicyName): Policy =>
  policyOf(policy, arena, attachSlot(arena, 0, 1, 0))

/** Assigns a block to a frame, as the directory does. */
export function nameFrame(arena: Arena, frame: number, partition: number, block: number): void {
  const at = arena.frameAt(frame)
  arena.words[at + Frame.keyHigh] = keyHighOf(partition, block)
  arena.words[at + Frame.keyLow] = keyLowOf(block)
}

/** The number of hits in a cache of this many blocks. @throws if the policy's check reports an error */
export function hitsOf(trace: Uint32Array, blocks: number, name: PolicyName): number {
  const arena = policyArena(name, blocks)
  const policy = policyIn(arena, name)
  const frames = new Map<number, number>()
  const held = new Uint32Array(blocks)
  let free = blocks
  let hits = 0
  for (let i = 0; i < trace.length; i++) {
    const block = trace[i]!
    const found = frames.get(block)
    if (found !== undefined) {
      hits++
      policy.note(found)
      if (policy.notesDue) policy.drain()
      continue
    }
    policy.drain()
    let frame = free - 1
    if (free > 0) free--
    else {
      frame = policy.victim()
      policy.evicted(frame)
      frames.delete(held[frame]!)
    }
    policy.insert(frame, keyHighOf(0, block), keyLowOf(block))
    nameFrame(arena, frame, 0, block)
    held[frame] = block
    frames.set(block, frame)
  }
  const broken = policy.check()
  if (broken.length > 0) throw new Error(broken.join('\n'))
  return hits
}
