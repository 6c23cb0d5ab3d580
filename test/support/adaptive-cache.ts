// Policy `adaptive` with a model of the cache that it serves, for its tests.

import * as assert from 'uvu/assert'
import { keyLowOf, keyHighOf } from '#dist/shared/key.js'
import type { Candidates, Policy } from '#dist/core/policy/policy.js'
import { Frame, Header } from '#dist/shared/words.js'
import { ALL_CLEAN, nameFrame, policyArena, policyIn } from '#dist/bench/replay/policy-replay.js'

/** A policy, and a model of the cache that it serves. */
export function cacheWith(blocks = 100, tick = 0) {
  const arena = policyArena('adaptive', blocks)
  const { words } = arena
  words[Header.tick] = tick
  const policy = policyIn(arena, 'adaptive')
  const frames = new Map<number, number>()
  const held: number[] = []
  let free = blocks
  /** One access; true if it is a hit. */
  const use = (block: number, { candidates = ALL_CLEAN, isAhead = false } = {}): boolean => {
    const found = frames.get(block)
    if (found !== undefined) {
      policy.note(found)
      return true
    }
    let frame = free - 1
    if (free > 0) words[Header.freeCount] = --free
    else {
      frame = findVictim(policy, candidates, keyHighOf(0, block), keyLowOf(block))
      assert.ok(frame >= 0, 'there is a victim')
      policy.evicted(frame)
      frames.delete(held[frame]!)
    }
    policy.insert(frame, keyHighOf(0, block), keyLowOf(block), isAhead)
    nameFrame(arena, frame, 0, block)
    held[frame] = block
    frames.set(block, frame)
    return false
  }
  /** One access to a block that is filled ahead, if it is absent, and then used; true if it was there. */
  const useAhead = (block: number): boolean => {
    const isHit = use(block, { isAhead: true })
    if (!isHit) use(block)
    return isHit
  }
  /** Accesses to `count` blocks; the share of hits. */
  const scan = (first: number, count: number): number => {
    let hits = 0
    for (let block = first; block < first + count; block++) if (use(block)) hits++
    return hits / count
  }
  const has = (block: number): boolean => frames.has(block)
  const isInMain = (block: number): boolean => words[arena.frameAt(frames.get(block)!) + Frame.used] === -1
  const frameOf = (block: number): number => frames.get(block)!
  const countOf = (word: Header): number => words[word]!
  return { arena, words, policy, frames, use, useAhead, scan, has, isInMain, frameOf, countOf }
}

export type AdaptiveCache = ReturnType<typeof cacheWith>

/** The sizes of NEW and MAIN. */
export const sizes = ({ countOf }: AdaptiveCache) => [countOf(Header.newSize), countOf(Header.mainSize)]

/** As many searches as the engine makes for one victim; -1 if none found it. */
export function findVictim(policy: Policy, candidates: Candidates, keyHigh = 1, keyLow = 0): number {
  let most = 0
  for (let searches = 1; ; searches++) {
    most = Math.max(most, policy.searches())
    const frame = policy.victim(candidates, keyHigh, keyLow)
    if (frame >= 0 || searches >= most) return frame
  }
}
