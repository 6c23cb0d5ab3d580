/**
 * What the model remembers in addition to the protocol's words, to judge them: the versions of each block, the contents of
 * each, and what must be durable before it is on disk.
 */
import type { Model } from './model.js'
import {
  Block,
  blockAt,
  classOfVersion,
  CLIENTS,
  contentOf,
  needOf,
  seenBy,
  type State,
  VERSIONS,
} from './state.js'

/** Adds a change: all present changes of an earlier class must be durable before it is on disk. */
export function commitVersion(m: Model, s: State, block: number, writeClass: number): void {
  const at = blockAt(block)
  const version = s[at + Block.committed]! + 1
  if (version >= VERSIONS) throw new Error(`block ${block} is changed more than ${VERSIONS - 1} times`)
  const isAnew = s[at + Block.forgotten] === 1
  s[at + Block.committed] = version
  s[at + Block.forgotten] = 0
  s[classOfVersion(block, version)] = writeClass
  for (let half = 0; half < 2; half++) s[contentOf(block, version, half)] = s[at + Block.half + half]!
  for (let other = 0; other < m.blocks; other++) {
    if (other === block) continue
    let need = isAnew ? 0 : s[needOf(block, version - 1, other)]!
    for (let earlier = need + 1; earlier <= s[blockAt(other) + Block.committed]!; earlier++) {
      const isForgotten = s[classOfVersion(other, earlier)] === 0
      if (!isForgotten && s[classOfVersion(other, earlier)]! < writeClass) need = earlier
    }
    s[needOf(block, version, other)] = need
  }
}

/** Whether the newest version is what the frame holds. */
export function isCounted(s: State, block: number): boolean {
  const at = blockAt(block)
  const version = s[at + Block.committed]!
  return (
    s[at + Block.forgotten] === 0 &&
    s[contentOf(block, version, 0)] === s[at + Block.half] &&
    s[contentOf(block, version, 1)] === s[at + Block.half2]
  )
}

/** Forgets a block: no flush covers it and no change depends on it any more. */
export function forgetVersions(m: Model, s: State, block: number): void {
  const at = blockAt(block)
  s[at + Block.acknowledged] = 0
  s[at + Block.forgotten] = 1
  for (let client = 0; client < CLIENTS; client++) s[seenBy(block, client)] = 0
  for (let version = 0; version < VERSIONS; version++) {
    s[classOfVersion(block, version)] = 0
    for (let other = 0; other < m.blocks; other++) s[needOf(other, version, block)] = 0
  }
}

/** Whether the two halves form an image that the block had after a release. */
export function isReleasedImage(s: State, block: number, first: number, second: number): boolean {
  for (let version = 0; version <= s[blockAt(block) + Block.committed]!; version++)
    if (s[contentOf(block, version, 0)] === first && s[contentOf(block, version, 1)] === second) return true
  return false
}
