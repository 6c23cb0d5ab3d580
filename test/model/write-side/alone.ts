/**
 * Releases without the round mutex, as in src/core/changes/alone.ts: of a block with one unwritten image, of the first class,
 * whose undo is a spare of the client's own, or that is rolled forward. The state word is read, then the epoch, and one
 * compare-and-swap commits. It fails if a writer has taken the undo, or if the block became clean.
 */
import { commitVersion } from './history.js'
import { clearUndo, FIRST, isAlone, ownSpareOf, storeStamp } from './images.js'
import { Block, Client, Group, INTENT, RELEASED_UNCHANGED, Spare, spareAt, type State } from './state.js'
import type { Turn } from './turn.js'

/** Steps of a release without the mutex. LONG_WAY: it failed, and takes the mutex. */
const Alone = { READ: 20, EPOCH: 21, SWAPPED: 22, CLEARED: 23, LONG_WAY: 24 } as const

/** Takes a step of a release without the mutex, if that is possible or has begun. Returns whether it did. */
export function releaseAlone(t: Turn, released: number): boolean {
  switch (t.step) {
    case Alone.READ:
      if (released === RELEASED_UNCHANGED) swap(t, released)
      else
        t.move('reads the epoch', Alone.EPOCH, (s) => {
          if (t.m.mistake !== 'epochBeforeLatch') s[t.at + Client.epoch] = s[Group.epoch]!
        })
      return true
    case Alone.EPOCH:
      swap(t, released)
      return true
    case Alone.SWAPPED:
      t.move('clears the undo', Alone.CLEARED, (s) => {
        const own = s[t.frame + Block.undo]!
        if (own === INTENT || ownSpareOf(t.m, s, t.actor) !== 0) clearUndo(s, t.block)
        else s[t.frame + Block.undo] = 0
      })
      return true
    case Alone.CLEARED: {
      const s = t.m.begin()
      s[t.frame + Block.latch] = 0
      t.advance(s)
      t.end('unlatches')
      return true
    }
    case Alone.LONG_WAY:
      return false
    default:
      if (!isPossible(t, released)) return false
      t.move('reads the state word', Alone.READ, (s) => {
        s[t.at + Client.stamp] = s[t.frame + Block.epoch]!
        s[t.at + Client.class] = s[t.frame + Block.class]!
        s[t.at + Client.older] = s[t.frame + Block.older]!
      })
      return true
  }
}

function isPossible(t: Turn, released: number): boolean {
  const { now, frame, m } = t
  const undo = now[frame + Block.undo]!
  const isOwn = undo === INTENT || (undo !== 0 && now[spareAt(undo) + Spare.owner] === t.actor)
  const isFirst = released === FIRST || released === RELEASED_UNCHANGED || m.mistake === 'aloneWithAnyClass'
  return isOwn && isFirst && isAlone(m, now, t.block) && !isTaken(t)
}

const isTaken = ({ now, frame, m, operation }: Turn): boolean =>
  now[frame + Block.taken] === 1 && !(m.mistake === 'takenIsOverlooked' && operation.kind !== 'release')

/** The compare-and-swap of the state word. */
function swap(t: Turn, released: number): void {
  const { now, at, frame } = t
  const isSame =
    now[frame + Block.epoch] === now[at + Client.stamp] &&
    now[frame + Block.class] === now[at + Client.class] &&
    now[frame + Block.older] === now[at + Client.older] &&
    !isTaken(t)
  if (!isSame) {
    t.move('finds that the state word has changed', Alone.LONG_WAY)
    return
  }
  t.move('swaps the state word', Alone.SWAPPED, (s) => {
    commit(t, s, released)
  })
}

function commit(t: Turn, s: State, released: number): void {
  if (released === RELEASED_UNCHANGED) {
    s[t.frame + Block.changing] = 0
    return
  }
  commitVersion(t.m, s, t.block, released)
  storeStamp(t.m, s, t.block, released, s[t.at + Client.epoch])
}
