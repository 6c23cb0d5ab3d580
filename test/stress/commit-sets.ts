// Sets of blocks, of two partitions of one group. A block has a count in its first word and again in its last. Commits move
// amounts between the blocks of a set, so the sum of its counts is 0 for each thread that holds all of them, after every death.

import type { BlockGuard, CacheClient } from 'dcache'

export const PARTITIONS = {
  a: { blockSize: 512, blocks: 24 },
  b: { blockSize: 4096, blocks: 24 },
} as const
export const SETS = 6
const SET_BLOCKS = 8
const CLASSES = ['data', 'directory'] as const

export type Place = readonly [partition: keyof typeof PARTITIONS, block: number]

/** The blocks of a set, half of them of each partition, far apart. */
export const setOf = (set: number): Place[] =>
  Array.from({ length: SET_BLOCKS }, (_, i) => [i % 2 === 0 ? 'a' : 'b', set + SETS * (i >> 1)] as const)

/** A repeatable choice of numbers. */
export class Choice {
  #state: number
  constructor(seed: number) {
    this.#state = seed | 0
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) | 0
    return ((this.#state ^ (this.#state >>> 16)) >>> 0) % limit
  }
}

/** The count in a block. @throws if it is half-changed */
export function countIn(bytes: Uint8Array, [partition, block]: Place): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [first, last] = [view.getInt32(0), view.getInt32(bytes.length - 4)]
  if (first !== last)
    throw new Error(`block ${block} of '${partition}' is half-changed: ${first} and ${last}`)
  return first
}

/** @throws unless the counts of a set have the sum 0 */
export function assertWhole(what: string, set: number, counts: readonly number[]): void {
  if (counts.reduce((sum, count) => (sum + count) | 0, 0) !== 0)
    throw new Error(`${what} has a part of a commit in set ${set}: counts ${counts.join(', ')}`)
}

/** Moves an amount, which `choice` chooses, from each of the blocks to the next. `between` is called between two changes. */
export function moveAmong(
  guards: readonly BlockGuard[],
  places: readonly Place[],
  choice: Choice,
  between: () => void,
): void {
  const amounts = guards.map(() => choice.below(1000))
  guards.forEach(({ data }, i) => {
    const count = countIn(data, places[i]!) - amounts[i]! + amounts[(i + 1) % amounts.length]!
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    view.setInt32(0, count)
    between()
    view.setInt32(data.length - 4, count)
  })
  // Most changes are of the first class. A change of class costs a round.
  for (const guard of guards) guard.markDirty(CLASSES[choice.below(300) === 0 ? 1 : 0])
}

/** Some blocks of a set, 2 to 8, in any order. */
export function someOf(set: number, choice: Choice): Place[] {
  const places = setOf(set)
  while (places.length > 2 && choice.below(4) > 0) places.splice(choice.below(places.length), 1)
  return choice.below(2) === 0 ? places : places.reverse()
}

/** Holds all blocks of a set to read; calls `use` then. @throws if a part of a commit is seen */
export async function readSet(
  client: CacheClient,
  set: number,
  isSync: boolean,
  use: () => Promise<void> | void = () => undefined,
): Promise<void> {
  const guards: BlockGuard[] = []
  const places = setOf(set).sort(([a, i], [b, j]) => a.localeCompare(b) || i - j)
  try {
    for (const [name, block] of places) {
      const partition = client.partition(name)
      guards.push(isSync ? partition.acquireSync(block, 'read') : await partition.acquire(block, 'read'))
    }
    assertWhole(
      'a reader',
      set,
      guards.map(({ data }, i) => countIn(data, places[i]!)),
    )
    await use()
  } finally {
    for (const guard of guards) guard.release()
  }
}
