/**
 * Work that can be done in pieces, because it looks at every frame: a generator that yields after each piece. At a yield it holds
 * no lock, unless its caller takes one for it, piece by piece (`check-locks.ts` of core/inspect). So a thread runs it to the end,
 * or in slices, between which its event loop runs.
 */
import { performance } from 'node:perf_hooks'
import type { Slow } from './wait.js'

export type Steps<T> = Generator<void, T, void>

/** The most frames, links or records that one piece looks at; some tens of microseconds. */
export const PIECE = 512

/** How long a slice takes, plus one piece. */
const SLICE_MS = 2

/** Runs all pieces, one after the other. */
export function runSteps<T>(steps: Steps<T>): T {
  let turn = steps.next()
  while (!turn.done) turn = steps.next()
  return turn.value
}

/** The pieces as a path that gives the event loop back after each slice. `goOn` throws if the next slice must not begin. */
export function* inSlices<T>(steps: Steps<T>, goOn: () => void): Slow<T> {
  for (;;) {
    goOn()
    const endMs = performance.now() + SLICE_MS
    do {
      const turn = steps.next()
      if (turn.done) return turn.value
    } while (performance.now() < endMs)
    yield { kind: 'turn', what: 'its event loop', timeoutMs: 0 }
  }
}
