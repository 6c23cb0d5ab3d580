/**
 * Sections under the round mutex. For the living a section is one step, since nobody sees the inside of it. For the dead
 * it is a row of effects, of which only the first few happened; the mutex stays with the dead. The flush worker may steal
 * it from them, and puts right what they left half done.
 *
 * Whoever gets the mutex first settles the releases that were left to others.
 */
import type { Effect } from './images.js'
import type { Model } from './model.js'
import { settlement } from './pending.js'
import { isDead, repair } from './repair.js'
import { FLUSH_WORKER, Group, type State } from './state.js'

/** An effect, with what it is about. */
export interface Act {
  readonly effect: Effect
  readonly block: number
  readonly writeClass: number
}

export interface Section {
  readonly what: string
  readonly block: number
  readonly writeClass?: number
  /** Under the mutex. */
  readonly body: readonly Effect[]
  /** After it was given up; of the same step for the living. */
  readonly after?: readonly Effect[]
  /** For mistakes: pending releases are not settled. */
  readonly leavesPending?: boolean
}

/** Whether the actor gets the mutex now. */
export function getsMutex(m: Model, actor: number): boolean {
  const holder = m.now[Group.mutex]!
  return holder === 0 || (actor === FLUSH_WORKER && isDead(m.now, holder))
}

/** Takes the section, and every death inside it. @requires getsMutex */
export function runSection(m: Model, actor: number, section: Section): void {
  const { block, writeClass = 0 } = section
  const act = (effect: Effect): Act => ({ effect, block, writeClass })
  const isStolen = m.now[Group.mutex] !== 0
  const acts = [
    ...(isStolen ? repair(m, actor) : []),
    ...(section.leavesPending === true ? [] : settlement(m, actor)),
    ...section.body.map(act),
    { effect: unlock, block, writeClass },
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
