// What a body is: shared memory, the threads that work on it, and what must be true when they are through.

import type { Engine } from './engine.js'
import type { Turns } from './turns.js'
import { DEATHS, State } from './control.js'
import type { Words } from '#atomics'

export interface Role {
  readonly name: string
  /** Whether the explorer may let it die. */
  readonly isMortal?: boolean
  /** Begins when somebody has died, and never if nobody does. */
  readonly startsOnDeath?: boolean
  readonly run: (scene: Scene) => void
}

export interface Body {
  /** Everything that is as it was before each schedule; the words that threads sleep on are in the first. */
  readonly memory: readonly SharedArrayBuffer[]
  readonly roles: readonly Role[]
  /** Words that no decision depends on: operations on them are no points. */
  readonly dull?: readonly number[]
  /** Everything that is wrong when all threads are through. */
  readonly verify: (died: readonly string[]) => readonly string[]
  /** A word's name, for printed schedules. */
  readonly nameOf?: (at: number) => string
}

/** Makes a body: without memory for the explorer, with the explorer's memory for each of its threads. */
export type MakeBody = (engine: Engine, memory?: readonly SharedArrayBuffer[]) => Body

/** What a thread of a body knows of the others. */
export class Scene {
  readonly #turns: Turns
  readonly #roles: readonly Role[]
  readonly #words: Words

  constructor(turns: Turns, roles: readonly Role[], words: Words) {
    this.#turns = turns
    this.#roles = roles
    this.#words = words
  }

  /** Whether the thread with this role has died. */
  isDead(name: string): boolean {
    return this.#turns.stateOf(this.#roles.findIndex((role) => role.name === name)) === State.DEAD
  }

  get dead(): readonly string[] {
    return this.#roles.map(({ name }) => name).filter((name) => this.isDead(name))
  }

  /** A service's wait: until the word changes and somebody notifies; false when there is nobody left to serve. */
  serve(at: number, value: number): boolean {
    return this.#turns.serve(this.#words, at, value)
  }

  /** The same until more threads than `seen` have died. */
  serveDeaths(seen: number): boolean {
    return this.#turns.serve(this.#words, DEATHS, seen)
  }

  /** Until the thread with this role has died; false when it does not. */
  serveDeathOf(name: string): boolean {
    for (let seen = this.dead.length; !this.isDead(name); seen = this.dead.length)
      if (!this.serveDeaths(seen)) return false
    return true
  }
}
