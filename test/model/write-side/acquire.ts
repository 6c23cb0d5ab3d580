/**
 * Acquiring a block to change it, as in src/core/blocks/acquire.ts and stall.ts: the latch, an undo if the block is dirty,
 * CHANGING, then the change itself, half by half.
 */
import { bindUndo, classChangesOf, freeSpareOf, isAlone, mayOwn, ownSpareOf, want } from './images.js'
import type { Model } from './model.js'
import { Block, Client, Group, Spare, spareAt, type State, WHOLE } from './state.js'
import type { Turn } from './turn.js'

/** Steps of `acquire`. */
const Acquire = {
  LATCH: 0,
  NEEDS_UNDO: 1,
  COPY: 2,
  COPY_SECOND: 3,
  BEGIN: 4,
  CHANGE: 5,
  CHANGE_SECOND: 6,
  WAIT_FOR_SPARE: 7,
  STORE_BEGIN: 8,
  BIND: 9,
  WAIT_FOR_CLASS: 10,
  EPOCH: 11,
} as const

export function acquire(t: Turn): void {
  const { half } = t.operation
  switch (t.step) {
    case Acquire.LATCH:
      if (t.m.mistake === 'epochBeforeLatch') {
        t.move('reads the epoch', Acquire.EPOCH, (s) => {
          s[t.at + Client.epoch] = s[Group.epoch]!
        })
      } else latch(t)
      return
    case Acquire.EPOCH:
      latch(t)
      return
    case Acquire.NEEDS_UNDO:
      takeUndo(t)
      return
    case Acquire.BIND:
      t.move('binds its undo', Acquire.COPY, (s) => {
        bindUndo(s, t.block, s[t.at + Client.target]!, half)
        s[t.at + Client.target] = 0
      })
      return
    case Acquire.COPY:
      t.move('copies the first half to its undo', Acquire.COPY_SECOND, (s) => copy(t, s, 0))
      return
    case Acquire.COPY_SECOND:
      t.move('copies the second half to its undo', Acquire.BEGIN, (s) => copy(t, s, 1))
      return
    case Acquire.BEGIN:
      if (t.m.mistake === 'plainStoreOfState') {
        t.move('reads the state word', Acquire.STORE_BEGIN, (s) => {
          s[t.at + Client.target] = s[t.frame + Block.epoch]!
          s[t.at + Client.failures] = s[t.frame + Block.class]!
        })
      } else {
        t.move('sets CHANGING', Acquire.CHANGE, (s) => {
          s[t.frame + Block.changing] = 1
        })
      }
      return
    case Acquire.STORE_BEGIN:
      t.move('stores the state word with CHANGING', Acquire.CHANGE, (s) => {
        s[t.frame + Block.epoch] = s[t.at + Client.target]!
        s[t.frame + Block.class] = s[t.at + Client.failures]!
        s[t.frame + Block.changing] = 1
      })
      return
    case Acquire.CHANGE:
      if (!t.operation.changes) t.pass('changes nothing')
      else if (half === 1) change(t, 1)
      else change(t, 0)
      return
    case Acquire.CHANGE_SECOND:
      change(t, 1)
      return
    case Acquire.WAIT_FOR_CLASS:
      waitForClass(t)
      return
    default:
      waitForSpare(t)
  }
}

function latch(t: Turn): void {
  const now = t.now
  if (now[t.frame + Block.latch] !== 0 || now[t.frame + Block.pins] !== 0) return
  const isDirty = now[t.frame + Block.class] !== 0
  t.move('latches', isDirty ? Acquire.NEEDS_UNDO : Acquire.CHANGE, (s) => {
    s[t.frame + Block.latch] = t.actor
    if (s[t.frame + Block.absent] === 1) {
      s[t.frame + Block.absent] = 0
      s[t.frame + Block.half] = s[t.frame + Block.cached]!
      s[t.frame + Block.half2] = s[t.frame + Block.cached2]!
    }
    if (!isDirty) s[t.frame + Block.changing] = 1
  })
}

/** A spare becomes the undo in the section that takes it off the free list. Without a spare the latch is released. */
function takeUndo(t: Turn): void {
  const m = t.m
  const own = ownSpareOf(m, t.now, t.actor)
  if (isAlone(m, t.now, t.block) && own !== 0) {
    t.move('binds a spare of its own', Acquire.COPY, (s) => bindUndo(s, t.block, own, t.operation.half))
    return
  }
  if (t.now[Group.mutex] !== 0) return
  const isBoundOutside = m.mistake === 'sparePoppedOutsideTheMutex'
  // The slow path rechecks and needs no undo any more; the hit path takes one anyway.
  if (t.now[t.frame + Block.class] === 0) t.section('finds the block clean', [], [t.go(Acquire.BEGIN)])
  if (awaitsClassChange(t)) {
    t.section(
      'finds an older image of another class, releases the latch',
      [
        (_m, s) => {
          if (m.mistake !== 'classChangeAsksForNoRound') want(s, s[Group.bound]!)
          s[t.at + Client.target] = s[Group.bound]!
          s[t.at + Client.failures] = s[Group.failures]!
        },
      ],
      [
        (_m, s) => {
          s[t.frame + Block.latch] = 0
        },
        t.go(Acquire.WAIT_FOR_CLASS),
      ],
    )
    return
  }
  // Settling may free a spare, but a section that needs one checks after that.
  const hasSpare = freeSpareOf(m, t.now) !== 0 || t.now[Group.pending] !== 0
  if (!hasSpare) {
    t.section(
      'finds no spare, releases the latch',
      [
        (_m, s) => {
          wantSpares(m, s)
          s[t.at + Client.failures] = s[Group.failures]!
        },
      ],
      [
        (_m, s) => {
          if (m.mistake !== 'waitsForSpareLatched') s[t.frame + Block.latch] = 0
        },
        t.go(Acquire.WAIT_FOR_SPARE),
      ],
    )
    return
  }
  t.section(
    'takes a spare as undo',
    [
      (_m, s) => {
        const spare = freeSpareOf(m, s)
        if (spare === 0) return
        s[spareAt(spare) + Spare.free] = 0
        if (isBoundOutside) {
          s[t.at + Client.target] = spare
          return
        }
        bindUndo(s, t.block, spare, t.operation.half)
        s[spareAt(spare) + Spare.owner] = isAlone(m, s, t.block) && mayOwn(m, s) ? t.actor : 0
      },
    ],
    [
      (_m, s) => {
        const isTaken = isBoundOutside || s[t.frame + Block.undo] !== 0
        const step = isTaken ? (isBoundOutside ? Acquire.BIND : Acquire.COPY) : Acquire.NEEDS_UNDO
        s[t.at + Client.step] = step
      },
    ],
  )
}

/** A thread does not wait for that behind a fence, or if it may not wait. */
function awaitsClassChange({ m, now, block, operation }: Turn): boolean {
  if (!operation.isPatient || m.mistake === 'classChangeIsNotWaitedFor') return false
  return now[Group.fenced] === 0 && classChangesOf(now, block) > 0
}

/** Waits until the older image is durable or a round has failed. */
function waitForClass(t: Turn): void {
  const { now, at } = t
  const target = now[at + Client.target]!
  const hasFailed = now[Group.failures] !== now[at + Client.failures] && target <= now[Group.failedTo]!
  if (now[Group.done]! >= target || hasFailed)
    t.move('looks at the block again', Acquire.LATCH, (s) => {
      s[at + Client.target] = 0
      s[at + Client.failures] = 0
    })
}

/** The round to request: it frees saved images, which are within the bound. If there is none, it makes the block clean. */
function wantSpares(m: Model, s: State): void {
  const isEnough = s[Group.bound]! > s[Group.done]! || m.mistake === 'waitsForSavedImagesOnly'
  want(s, s[isEnough ? Group.bound : Group.epoch]!)
}

function copy(t: Turn, s: State, half: number): void {
  const spare = spareAt(s[t.frame + Block.undo]!)
  const range = s[spare + Spare.range]!
  if (range === WHOLE || range === 1 + half) s[spare + Spare.half + half] = s[t.frame + Block.half + half]!
}

function change(t: Turn, half: number): void {
  const hasMore = half === 0 && t.operation.half < 0
  const s = t.m.begin()
  s[t.frame + Block.half + half] = s[t.frame + Block.committed]! + 1
  if (hasMore) s[t.at + Client.step] = Acquire.CHANGE_SECOND
  else t.advanceHolding(s)
  t.end(`changes half ${half}`)
}

/** The requested round is done, and another must be requested. */
function asksForMore({ m, now }: Turn): boolean {
  if (m.mistake === 'waitsForSavedImagesOnly') return now[Group.want]! < now[Group.bound]!
  return now[Group.want]! <= now[Group.done]! && now[Group.want]! < now[Group.epoch]!
}

function waitForSpare(t: Turn): void {
  const now = t.now
  const hasSpare = freeSpareOf(t.m, now) !== 0
  const hasFailed = now[Group.failures] !== now[t.at + Client.failures]
  const isLatched = t.m.mistake === 'waitsForSpareLatched'
  if (!hasSpare && hasFailed) {
    const s = t.m.begin()
    if (isLatched) s[t.frame + Block.latch] = 0
    t.advance(s)
    t.end('is told of the fence')
  } else if (hasSpare || now[t.frame + Block.class] === 0 || asksForMore(t)) {
    t.move('tries again', isLatched ? Acquire.NEEDS_UNDO : Acquire.LATCH)
  }
}
