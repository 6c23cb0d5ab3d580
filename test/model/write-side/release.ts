/**
 * Releasing a block, as in src/core/changes/release.ts: with a change, unchanged, or discarded; at once or deferred.
 */
import { releaseAlone } from './alone.js'
import { commitVersion } from './history.js'
import { applyUndo, type Effect, uncommitEffects } from './images.js'
import { Block, Group, RELEASED_UNCHANGED } from './state.js'
import type { Turn } from './turn.js'

/** With or without a wait for the mutex. */
export function release(t: Turn, effects: readonly Effect[], released: number): void {
  const { isPatient } = t.operation
  const isChange = released !== RELEASED_UNCHANGED
  if (t.step === 1) {
    const s = t.m.begin()
    if (isChange) commitVersion(t.m, s, t.block, released)
    s[t.frame + Block.pendingNext] = s[Group.pending]!
    s[Group.pending] = t.block + 1
    t.advance(s)
    t.end('leaves its release to others')
    return
  }
  if (releaseAlone(t, released)) return
  if (!isChange && t.now[t.frame + Block.undo] === 0) {
    const s = t.m.begin()
    s[t.frame + Block.changing] = 0
    s[t.frame + Block.latch] = 0
    t.advance(s)
    t.end('gives the block back unchanged')
    return
  }
  // Another thread may hold the mutex for a moment, even if this model shows it free.
  if (!isPatient) {
    t.move('notes its release in the frame', 1, (s) => {
      s[t.frame + Block.released] = released
    })
  }
  if (t.now[Group.mutex] === 0) {
    const leavesPending = t.m.mistake === 'releaseLeavesPending'
    t.section(isChange ? 'releases' : 'releases unchanged', effects, [t.unlatch(), t.next()], leavesPending)
  }
}

/** Restores the bytes half by half, then releases the block unchanged. */
export function discard(t: Turn): void {
  if (t.step > 2) {
    release(t, uncommitEffects, RELEASED_UNCHANGED)
  } else if (t.now[t.frame + Block.undo] === 0) {
    const s = t.m.begin()
    s[t.frame + Block.absent] = 1
    s[t.frame + Block.changing] = 0
    s[t.frame + Block.half] = 0
    s[t.frame + Block.half2] = 0
    s[t.frame + Block.epoch] = 0
    s[t.frame + Block.latch] = 0
    t.advance(s)
    t.end('discards a clean block')
  } else if (t.step === 0) {
    t.move('puts the first half back', 2, (s) => applyUndo(s, t.block, 0))
  } else if (t.step === 2) {
    t.move('puts the second half back', 3, (s) => applyUndo(s, t.block, 1))
  } else {
    release(t, uncommitEffects, RELEASED_UNCHANGED)
  }
}
