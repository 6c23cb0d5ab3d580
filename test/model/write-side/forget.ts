/**
 * Forget, as in src/core/blocks/forget.ts: a block that is no longer needed is dropped, dirty or not.
 */
import { forgetVersions } from './history.js'
import { dropSaved, type Effect, isUnwrittenWithin, NOTHING, imageToWrite } from './images.js'
import type { Model } from './model.js'
import { Block, Group, type State } from './state.js'
import type { Turn } from './turn.js'

/** A round is to write an image of the block: a writer may be reading it. */
function isBeingWritten(m: Model, s: State, block: number): boolean {
  const cut = s[Group.cut]!
  if (cut === 0 || m.mistake === 'forgetFreesSaved') return false
  if (m.mistake === 'forgetFreesImageToWrite') return isUnwrittenWithin(s, block, cut)
  return imageToWrite(m, s, block, cut) !== NOTHING
}

/** Forget neither waits nor fails: a latched or pinned block stays as it is. */
export function forget(t: Turn): void {
  const now = t.now
  const isBusy = now[t.frame + Block.latch] !== 0 || now[t.frame + Block.pins] !== 0
  if (isBusy || now[Group.mutex] !== 0) {
    t.pass('finds the block busy, forgets nothing')
    return
  }
  const drop: Effect = (m, s) => {
    if (isBeingWritten(m, s, t.block)) return
    dropSaved(s, t.block, () => true)
    s[t.frame + Block.class] = 0
    s[t.frame + Block.epoch] = 0
    s[t.frame + Block.absent] = 1
    s[t.frame + Block.half] = 0
    s[t.frame + Block.half2] = 0
    s[t.frame + Block.listed] = 0
    forgetVersions(m, s, t.block)
  }
  const latch: Effect = (_m, s) => {
    s[t.frame + Block.latch] = t.actor
  }
  t.section('forgets', [latch, drop], [t.unlatch(), t.next()])
}
