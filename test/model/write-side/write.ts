/**
 * Writing a whole block or half of one without an image, as in src/core/changes/write-now.ts: nothing can end the client inside
 * the copy, so a change of a dirty block can always be rolled forward. The intent says so, and precedes CHANGING. A clean block
 * needs none: after a death it is read again.
 */
import { FIRST, isAlone, releaseEffects } from './images.js'
import { release } from './release.js'
import { Block, INTENT, type State } from './state.js'
import type { Turn } from './turn.js'

/** Steps of `write`; the others are those of `release`. */
const Write = { LATCH: 0, INTEND: 30, BEGIN: 31, COPY: 32, INTEND_LATE: 33 } as const

/** @requires the block has at most one unwritten image, of the first class; else the client waits, since it would need an image */
export function write(t: Turn): void {
  const { now, m } = t
  const isClean = now[t.frame + Block.class] === 0
  switch (t.step) {
    case Write.LATCH:
      if (now[t.frame + Block.latch] !== 0 || now[t.frame + Block.pins] !== 0) return
      if (!isClean && !isAlone(m, now, t.block)) {
        t.pass('would need an image')
        return
      }
      t.move('latches', isClean || m.mistake === 'intentAfterCopy' ? Write.BEGIN : Write.INTEND, (s) => {
        s[t.frame + Block.latch] = t.actor
        if (s[t.frame + Block.absent] === 0) return
        s[t.frame + Block.absent] = 0
        s[t.frame + Block.half] = s[t.frame + Block.cached]!
        s[t.frame + Block.half2] = s[t.frame + Block.cached2]!
      })
      return
    case Write.INTEND:
      t.move('notes its intent', Write.BEGIN, (s) => {
        s[t.frame + Block.undo] = INTENT
      })
      return
    case Write.BEGIN:
      t.move('sets CHANGING', Write.COPY, (s) => {
        s[t.frame + Block.changing] = 1
      })
      return
    case Write.COPY:
      t.move(
        'copies',
        m.mistake === 'intentAfterCopy' && !isClean ? Write.INTEND_LATE : 1 + Write.INTEND_LATE,
        (s) => copy(t, s),
      )
      return
    case Write.INTEND_LATE:
      t.move('notes its intent', 1 + Write.INTEND_LATE, (s) => {
        s[t.frame + Block.undo] = INTENT
      })
      return
    default:
      release(t, releaseEffects(m), FIRST)
  }
}

function copy(t: Turn, s: State): void {
  const version = s[t.frame + Block.committed]! + 1
  const { half } = t.operation
  if (half !== 1) s[t.frame + Block.half] = version
  if (half !== 0) s[t.frame + Block.half2] = version
}
