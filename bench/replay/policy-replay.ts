/**
 * Drives a victim policy of the engine without a cache, as a cache of clean blocks would, so that a trace of block numbers can be
 * replayed through it. The tests of the policies use it too.
 */

import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import { policyOf } from '#dist/core/policy/policies.js'
import { type Candidates, Fit, type Policy } from '#dist/core/policy/policy.js'
import { Arena } from '#dist/shared/arena.js'
import { type Geometry, ghostWordsOf } from '#dist/shared/layout.js'
import type { PolicyName } from '#dist/shared/options.js'
import { attachSlot } from '#dist/shared/slot.js'
import { Frame, Header } from '#dist/shared/words.js'
import { hitsIn, type MakeSimulator } from './simulator.js'
import { traceOf } from './trace.js'

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
    ghostWords: ghostWordsOf(policy, blocks),
    writers: 1,
  }
  return Arena.create(geometry, 1, 2)
}

export const policyIn = (arena: Arena, policy: PolicyName): Policy =>
  policyOf(policy, arena, attachSlot(arena, 0, 1, 0))

/** All frames are clean, and none is held. */
export const ALL_CLEAN: Candidates = { look: () => Fit.CLEAN, take: () => Fit.CLEAN }

/** Assigns a block to a frame, as the directory does. */
export function nameFrame(arena: Arena, frame: number, partition: number, block: number): void {
  const at = arena.frameAt(frame)
  arena.words[at + Frame.keyHigh] = keyHighOf(partition, block)
  arena.words[at + Frame.keyLow] = keyLowOf(block)
}

/** A policy of the engine. It gets the names of the blocks, as in a cache. */
export const enginePolicy =
  (name: PolicyName): MakeSimulator =>
  ({ names }, blocks) => {
    const arena = policyArena(name, blocks)
    const policy = policyIn(arena, name)
    /** The frame of each block, plus 1; 0: it is not cached. */
    const frames = new Uint32Array(names.length)
    const held = new Uint32Array(blocks)
    let free = blocks
    return {
      access(id) {
        const found = frames[id]!
        if (found > 0) {
          policy.note(found - 1)
          if (policy.notesDue) policy.drain()
          return true
        }
        policy.drain()
        const block = names[id]!
        let frame = free - 1
        if (free > 0) arena.words[Header.freeCount] = --free
        else {
          frame = policy.victim(ALL_CLEAN, keyHighOf(0, block), keyLowOf(block))
          policy.evicted(frame)
          frames[held[frame]!] = 0
        }
        policy.insert(frame, keyHighOf(0, block), keyLowOf(block))
        nameFrame(arena, frame, 0, block)
        held[frame] = id
        frames[id] = frame + 1
        return false
      },
      finish() {
        const broken = policy.check()
        if (broken.length > 0) throw new Error(broken.join('\n'))
      },
    }
  }

/** The number of hits in a cache of this many blocks. @throws if the policy's check reports an error */
export const hitsOf = (trace: Uint32Array, blocks: number, name: PolicyName): number =>
  hitsIn(enginePolicy(name), traceOf(trace), blocks)
