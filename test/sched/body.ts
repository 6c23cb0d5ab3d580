// A body: shared memory, the threads that work on it, and what must be true when they have finished.

import type { Engine } from './engine.js'
import type { Turns } from './turns.js'
import type { WeakMemory } from './weak.js'
import { DEATHS, State } from './control.js'
import type { Words } from '#atomics'

export interface Role {
  readonly name: string
  /** Whether the explorer may let the thread die. */
  readonly isMortal?: boolean
  /** The thread begins when another one has died, and never if none does. */
  readonly startsOnDeath?: boolean
  readonly run: (scene: Scene) => void
}

export interface Body {
  /** The memory that is reset before each schedule; the words that threads sleep on are in the first buffer. */
  readonly memory: readonly SharedArrayBuffer[]
  readonly roles: readonly Role[]
  /** Words on which no decision depends: operations on them are no points. */
  readonly dull?: readonly number[]
  /** Every error found when all threads have finished. */
  readonly verify: (died: readonly string[]) => readonly string[]
  /** A word's name, for printed schedules. */
  readonly nameOf?: (at: number) => string
}

/** Makes a body: without memory for the explorer, with the explorer's memory for each of its threads. */
export type MakeBody = (engine: Engine, memory?: readonly SharedArrayBuffer[]) => Body

/** What a thread of a body knows of the other threads. */
export class Scene {
  readonly #turns: Turns
  readonly #roles: readonly Role[]
  readonly #words: Words
  readonly #weak: WeakMemory | undefined

  constructor(turns: Turns, roles: readonly Role[], words: Words, weak: WeakMemory | undefined) {
    this.#turns = turns
    this.#roles = roles
    this.#words = words
    this.#weak = weak
  }

  /** Whether the thread with this role has died. Who learns it sees all that the thread did. */
  isDead(name: string): boolean {
    const thread = this.#roles.findIndex((role) => role.name === name)
    const isDead = this.#turns.stateOf(thread) === State.DEAD
    if (isDead) this.#weak?.learnEnd(thread)
    return isDead
  }

  get dead(): readonly string[] {
    return this.#roles.map(({ name }) => name).filter((name) => this.isDead(name))
  }

  /** The wait of a service, until the word changes and a thread notifies; false when no thread is left to serve. */
  serve(at: number, value: number): boolean {
    this.#weak?.visitWaiters(at)
    const isServed = this.#turns.serve(this.#words, at, value)
    this.#weak?.visitWaiters(at)
    return isServed
  }

  /** Waits until more threads than `seen` have died. */
  serveDeaths(seen: number): boolean {
    return this.#turns.serve(this.#words, DEATHS, seen)
  }

  /** Waits until the thread with this role has died; false when it does not die. */
  serveDeathOf(name: string): boolean {
    for (let seen = this.dead.length; !this.isDead(name); seen = this.dead.length)
      if (!this.serveDeaths(seen)) return false
    return true
  }
}
