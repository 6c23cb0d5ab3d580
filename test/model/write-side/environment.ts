/**
 * Events from outside the actors: evictions, kicks, retries, and the recheck for deferred releases after an unlock of the
 * mutex.
 */
import { type Effect, want } from './images.js'
import type { Model } from './model.js'
import { runSection } from './section.js'
import { Block, blockAt, Budget, ENVIRONMENT, Group, Phase, Round } from './state.js'

export function environmentSteps(m: Model): void {
  settleAtUnlock(m)
  evict(m)
  if (m.now[Group.mutex] !== 0) return
  if (m.now[Group.fenced] !== 0 && m.now[Budget.retries]! > 0 && m.now[Round.phase] === Phase.IDLE) {
    const retry: Effect = (_m, s) => {
      s[Budget.retries]!--
      s[Group.fenced] = 0
      want(s, s[Group.epoch]!)
    }
    runSection(m, ENVIRONMENT, { what: 'a retry is called', block: -1, body: [retry] })
  }
  if (m.now[Budget.kicks]! > 0 && m.now[Group.want]! < m.now[Group.epoch]!) {
    const kick: Effect = (_m, s) => {
      s[Budget.kicks]!--
      want(s, s[Group.epoch]!)
    }
    runSection(m, ENVIRONMENT, { what: 'a kick is called', block: -1, body: [kick] })
  }
}

/** A thread that unlocks the mutex rechecks the pending stack. */
function settleAtUnlock(m: Model): void {
  if (m.now[Group.pending] === 0 || m.now[Group.mutex] !== 0) return
  runSection(m, ENVIRONMENT, {
    what: 'a thread unlocks the mutex, settles the pending releases',
    block: -1,
    body: [],
  })
}

/** A clean block without latch or pin may be evicted at any moment. */
function evict(m: Model): void {
  if (m.now[Budget.evictions] === 0) return
  for (let block = 0; block < m.blocks; block++) {
    const at = blockAt(block)
    const isClean = m.now[at + Block.class] === 0 && m.now[at + Block.listed] === 0
    const isFree = m.now[at + Block.latch] === 0 && m.now[at + Block.pins] === 0
    if (!isClean || !isFree || m.now[at + Block.absent] === 1 || m.now[at + Block.committed] === 0) continue
    const s = m.begin()
    s[Budget.evictions]!--
    s[at + Block.absent] = 1
    s[at + Block.half] = 0
    s[at + Block.half2] = 0
    s[at + Block.epoch] = 0
    m.end(ENVIRONMENT, 'the block is evicted', block)
  }
}
