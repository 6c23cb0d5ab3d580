/**
 * Changes that every call of every thread must notice: of the engine's state, and of a partition's standing. Each one also
 * changes `Header.standing`. A call looks at that word after it has a latch or a pin, and before it uses the block; the thread
 * that announces a change looks at latches and pins after it. So one of the two sees the other.
 */
import { add, compareExchange, load, store, type Words } from '#atomics'
import type { Arena } from './arena.js'
import type { CacheState } from './reports.js'
import { EngineState, Header, Partition, PartitionState } from './words.js'

const NAMES: Readonly<Record<number, CacheState>> = {
  [EngineState.OPEN]: 'open',
  [EngineState.CLOSING]: 'closing',
  [EngineState.CLOSED]: 'closed',
  [EngineState.BROKEN]: 'broken',
  [EngineState.ORPHANED]: 'orphaned',
}

/** The engine's state as users see it; undefined while it is being opened. */
export const stateName = (words: Words): CacheState | undefined => NAMES[load(words, Header.state)]

/** Tells every call that something has changed. */
export function announce(words: Words): void {
  add(words, Header.standing, 1)
}

/** Changes the engine's state if it is `from`; returns whether it did. */
export function changeState(words: Words, from: EngineState, to: EngineState): boolean {
  if (compareExchange(words, Header.state, from, to) !== from) return false
  announce(words)
  return true
}

/** Changes the engine's state, whatever it is. Called by the owner. */
export function setState(words: Words, state: EngineState): void {
  store(words, Header.state, state)
  announce(words)
}

/** Changes the state of a partition. Called by the owner. */
export function setPartitionState(
  { words, partitionsAt }: Arena,
  index: number,
  state: PartitionState,
): void {
  const at = partitionsAt + index * Partition.WORDS + Partition.standing
  store(words, at, (load(words, at) & ~PartitionState.MASK) | state)
  announce(words)
}

/** Gives the number of a partition to the next one. Called by the owner, when nothing of the partition is left. */
export function freePartition({ words, partitionsAt }: Arena, index: number): void {
  const at = partitionsAt + index * Partition.WORDS + Partition.standing
  store(words, at, (load(words, at) & ~PartitionState.MASK) + (1 << PartitionState.BITS))
}
