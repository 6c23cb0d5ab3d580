// A thread of the storm of commits: it commits and reads sets until it is told to stop, or ends anywhere in the middle. A thread
// that is told to exit does so at an atomic operation of a commit, or while it changes blocks: from outside such a moment is
// hardly ever met.

import { workerData } from 'node:worker_threads'
import type { BlockGuard, CacheHandle } from 'dcache'
import { armExit } from './exit-at-atomics.js' // before dcache, which keeps the functions
import { Choice, moveAmong, readSet, SETS, someOf } from './commit-sets.js'

export interface CommitLife {
  readonly handle: CacheHandle
  readonly seed: number
  /** Word 0: 1 to stop. Word 1: the number of steps of all threads. Word 2 + life: 1 to exit in the middle. */
  readonly words: Int32Array
  readonly life: number
}

const { handle, seed, words, life } = workerData as CommitLife
const { attachCache } = await import('dcache')
const client = attachCache(handle)
const choice = new Choice(seed)

/** Ends the thread now and then, when it was told to: here, or at one of the next atomic operations. */
function mayEnd(): void {
  if (Atomics.load(words, 2 + life) === 0) return
  const way = choice.below(20)
  if (way === 0) process.exit(0)
  if (way < 5) armExit(choice.below(100))
}

class Changed extends Error {}

/** Latches the blocks itself, in the order of their keys. */
function commitByHand(): void {
  const places = someOf(choice.below(SETS), choice).sort(([a, i], [b, j]) => a.localeCompare(b) || i - j)
  const guards: BlockGuard[] = places.map(([name, block]) =>
    client.partition(name).acquireSync(block, 'modify'),
  )
  moveAmong(guards, places, choice, mayEnd)
  mayEnd()
  if (choice.below(8) === 0) for (const guard of guards) guard.discard()
  else client.commit(...guards)
}

async function update(isSync: boolean): Promise<void> {
  const places = someOf(choice.below(SETS), choice)
  const fails = choice.below(8) === 0
  const change = (guards: readonly BlockGuard[]) => {
    moveAmong(guards, places, choice, mayEnd)
    mayEnd()
    if (fails) throw new Changed()
  }
  try {
    if (isSync) client.updateSync(places, change)
    else await client.update(places, change)
  } catch (error) {
    if (!(error instanceof Changed)) throw error
  }
}

while (Atomics.load(words, 0) === 0) {
  const what = choice.below(10)
  if (what < 4) commitByHand()
  else if (what < 7) await update(what < 6)
  else if (what < 9) await readSet(client, choice.below(SETS), what < 8)
  else if (choice.below(20) === 0) client.flushSync()
  mayEnd()
  Atomics.add(words, 1, 1)
}
client.detach()
