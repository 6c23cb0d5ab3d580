/**
 * Flush, as in src/core/changes/rounds.ts: requests a round of all present changes, and waits for it or for a failure.
 */
import { type Effect, isUnwrittenWithin, want } from './images.js'
import type { Model } from './model.js'
import { Block, blockAt, Client, Group, seenBy, type State } from './state.js'
import type { Turn } from './turn.js'

export function flush(t: Turn): void {
  const m = t.m
  const now = t.now
  if (t.step === 0) {
    if (now[Group.mutex] !== 0) return
    const ask: Effect = (_m, s) => {
      for (let block = 0; block < m.blocks; block++)
        s[seenBy(block, t.client)] =
          s[blockAt(block) + Block.forgotten] === 1 ? 0 : s[blockAt(block) + Block.committed]!
      const isClean = !anyListed(m, s)
      s[t.at + Client.target] = isClean ? 0 : s[Group.epoch]!
      s[t.at + Client.failures] = s[Group.failures]!
      if (!isClean) want(s, s[Group.epoch]!)
    }
    t.section('asks for a flush', [ask], [t.go(1)], m.mistake === 'flushLeavesPending')
  } else if (now[Group.done]! >= now[t.at + Client.target]!) {
    const s = m.begin()
    acknowledge(t, s)
    t.advance(s)
    t.end('is told that its flush is done')
  } else if (isTold(t) && now[Group.mutex] === 0) {
    const judge: Effect = (_m, s) => {
      if (!isUnwritten(m, s, s[t.at + Client.target]!)) acknowledge(t, s)
    }
    t.section('looks what of its flush failed', [judge], [t.next()])
  }
}

/** A failed round fails the flushes whose changes it covered. */
function isTold({ now, at }: Turn): boolean {
  const hasFailed = now[Group.failures] !== now[at + Client.failures]
  return hasFailed && now[at + Client.target]! <= now[Group.failedTo]!
}

function acknowledge(t: Turn, s: State): void {
  for (let block = 0; block < t.m.blocks; block++) {
    const at = blockAt(block) + Block.acknowledged
    s[at] = Math.max(s[at]!, s[seenBy(block, t.client)]!)
  }
}

/**
 * Whether any change that the flush covers is not durable. A newer image may have replaced one that never became durable,
 * so stamps do not tell.
 */
function isUnwritten(m: Model, s: State, target: number): boolean {
  if (m.mistake !== 'failedFlushJudgedByStamps') return anyListed(m, s)
  for (let block = 0; block < m.blocks; block++)
    if (s[blockAt(block) + Block.listed] === 1 && isUnwrittenWithin(s, block, target)) return true
  return false
}

function anyListed(m: Model, s: State): boolean {
  for (let block = 0; block < m.blocks; block++) if (s[blockAt(block) + Block.listed] === 1) return true
  return false
}
