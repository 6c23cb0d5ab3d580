/**
 * Clients: threads that change, release and flush blocks by a script. A client may die at any point where it holds a block,
 * and at any effect of its sections.
 */
import { acquire } from './acquire.js'
import { flush } from './flush.js'
import { forget } from './forget.js'
import { releaseEffects, uncommitEffects } from './images.js'
import type { Model } from './model.js'
import { hasLatched } from './reaper.js'
import { discard, release } from './release.js'
import { Client, clientAt, Life, RELEASED_UNCHANGED } from './state.js'
import { Turn } from './turn.js'
import { write } from './write.js'

/** Every possible next step of a client. */
export function clientSteps(m: Model, client: number): void {
  const at = clientAt(client)
  if (m.now[at + Client.life] !== Life.LIVE) return
  const operation = m.scenario.scripts[client]?.[m.now[at + Client.operation]!]
  if (operation === undefined) return
  if (m.deathsLeft(client + 1) > 0 && hasLatched(m, client + 1)) {
    const s = m.begin()
    m.die(s, client + 1)
    m.end(client + 1, `dies before the next step of: ${operation.kind}`, operation.block)
  }
  take(new Turn(m, client, operation))
}

function take(turn: Turn): void {
  const { kind, writeClass } = turn.operation
  if (kind === 'acquire') acquire(turn)
  else if (kind === 'write') write(turn)
  else if (kind === 'flush') flush(turn)
  else if (kind === 'forget') forget(turn)
  else if (!turn.isHeld) turn.pass('has nothing to release')
  else if (kind === 'discard') discard(turn)
  else if (kind === 'unchanged') release(turn, uncommitEffects, RELEASED_UNCHANGED)
  else release(turn, releaseEffects(turn.m), writeClass)
}
