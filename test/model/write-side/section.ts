/**
 * Sections under the round mutex. For a living thread a section is one step, since no other thread sees its inside. For a
 * thread that dies in it, it is a sequence of effects of which only the first few happened, and the mutex stays with the
 * dead thread. The flush worker may steal it, and repairs what was left half done.
 *
 * A thread that locks the mutex first settles the deferred releases.
 */
import type { Effect } from './images.js'
import type { Model } from './model.js'
import { settlement } from './pending.js'
import { isDead, repair } from './repair.js'
import { FLUSH_WORKER, Group, type State } from './state.js'

/** An effect, with its block and class. */
export interface Act {
  readonly effect: Effect
  readonly block: number
  readonly writeClass: number
}

export interface Section {
  readonly what: string
  readonly block: number
  readonly writeClass?: number
  /** The effects under the mutex. */
  readonly body: readonly Effect[]
  /** The effects after the unlock; part of the same step for a living thread. */
  readonly after?: readonly Effect[]
  /** For mistakes only: pending releases are not settled. */
  readonly leavesPending?: boolean
  /** The mutex stays held after this step: a section of several steps, for what threads do meanwhile without it. */
  readonly keepsMutex?: boolean
}

/** Whether the actor has the mutex, or can lock it now. */
export function getsMutex(m: Model, actor: number): boolean {
  const holder = m.now[Group.mutex]!
  return holder === 0 || holder === actor || (actor === FLUSH_WORKER && isDead(m.now, holder))
}

/** Takes the section, and every possible death inside it. @requires getsMutex */
export function runSection(m: Model, actor: number, section: Section): void {
  const { block, writeClass = 0 } = section
  const act = (effect: Effect): Act => ({ effect, block, writeClass })
  const isStolen = isDead(m.now, m.now[Group.mutex]!)
  const acts = [
    ...(isStolen ? repair(m, actor) : []),
    ...(section.leavesPending === true ? [] : settlement(m, actor)),
    ...section.body.map(act),
    ...(section.keepsMutex === true ? [] : [{ effect: unlock, block, writeClass }]),
    ...(section.after ?? []).map(act),
  ]
  const what = isStolen ? `steals the mutex, ${section.what}` : section.what
  if (m.deathsLeft(actor) > 0) {
    for (let count = 0; count < acts.length; count++) {
      const s = m.begin()
      s[Group.mutex] = actor
      runActs(m, s, acts, count)
      m.die(s, actor)
      m.end(actor, `dies after ${count} effects of: ${what}`, block)
    }
  }
  const s = m.begin()
  s[Group.mutex] = actor
  runActs(m, s, acts, acts.length)
  m.end(actor, what, block)
}

function runActs(m: Model, s: State, acts: readonly Act[], count: number): void {
  for (let i = 0; i < count; i++) acts[i]!.effect(m, s, acts[i]!.block, acts[i]!.writeClass)
}

const unlock: Effect = (_m, s) => {
  s[Group.mutex] = 0
}
