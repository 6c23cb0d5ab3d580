/**
 * Settling, as in src/core/changes/pending.ts: finishing the releases of threads that could not wait for the mutex. The
 * stack is anchored before it is taken, the latches pass to the settling thread, and `released` stays until its commit is
 * done, so that no release is lost if the settling thread dies.
 */
import { closeEffects, commitEffects, type Effect, uncommitEffects } from './images.js'
import type { Model } from './model.js'
import type { Act } from './section.js'
import { Block, blockAt, Group, RELEASED_UNCHANGED } from './state.js'

/** The effects that settle all releases now on the stack. */
export function settlement(m: Model, actor: number): Act[] {
  const head = m.now[Group.pending]!
  if (head === 0) return []
  const take: Effect[] = [
    (_m, s) => {
      if (m.mistake !== 'settlerTakesWithoutAnchor') s[Group.settling] = head
    },
    (_m, s) => {
      s[Group.pending] = 0
    },
  ]
  return [...take.map((effect) => ({ effect, block: -1, writeClass: 0 })), ...chain(m, actor, head)]
}

/** The remaining effects for a chain whose settling thread died. */
export function restOfSettlement(m: Model, actor: number): Act[] {
  const anchor = m.now[Group.settling]!
  if (anchor === 0) return []
  if (!framesFrom(m, m.now[Group.pending]!).includes(anchor - 1)) return chain(m, actor, anchor)
  // The chain had not been taken off the stack.
  const forgetAnchor: Effect = (_m, s) => {
    s[Group.settling] = 0
  }
  return [{ effect: forgetAnchor, block: -1, writeClass: 0 }]
}

function framesFrom(m: Model, head: number): number[] {
  const frames: number[] = []
  for (let link = head; link !== 0; link = m.now[blockAt(link - 1) + Block.pendingNext]!)
    frames.push(link - 1)
  return frames
}

/** For each frame the latch is taken over, the release finished, and the frame unlatched. */
function chain(m: Model, actor: number, head: number): Act[] {
  const frames = framesFrom(m, head)
  const acts: Act[] = []
  const add = (effect: Effect, block = -1, writeClass = 0) => acts.push({ effect, block, writeClass })
  const unlatch: Effect = (_m, s, block) => {
    s[blockAt(block) + Block.latch] = 0
  }
  for (const block of frames) {
    add((_m, s) => {
      if (m.mistake !== 'settlerLeavesTheLatches') s[blockAt(block) + Block.latch] = actor
    })
  }
  for (const effect of closeEffects(frames)) add(effect)
  for (const block of frames) settleOne(m, block, add)
  add((_m, s) => {
    s[Group.settling] = 0
  })
  for (const block of frames) add(unlatch, block)
  return acts
}

/** Finishes one release. A frame that is not CHANGING any more was committed before the death. */
function settleOne(
  m: Model,
  block: number,
  add: (effect: Effect, block: number, writeClass: number) => void,
): void {
  const at = blockAt(block)
  const released = m.now[at + Block.released]!
  const clear: Effect = (_m, s) => {
    s[at + Block.released] = 0
  }
  const isClearedFirst = m.mistake === 'releasedClearedFirst'
  if (isClearedFirst) add(clear, block, 0)
  if (m.now[at + Block.changing] === 1) {
    if (released === RELEASED_UNCHANGED) for (const effect of uncommitEffects) add(effect, block, 0)
    else if (released !== 0) for (const effect of commitEffects(m)) add(effect, block, released)
  }
  if (!isClearedFirst) add(clear, block, 0)
}
