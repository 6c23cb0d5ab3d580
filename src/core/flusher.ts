/**
 * The flush worker's loop, without its thread: runs the rounds that are wanted, and the clocks of delayed kicks. An idle
 * clean cache runs no rounds: the clock of a group starts with its first dirty block, and ends with a round.
 */
import { load } from '#atomics'
import { DelayedKick, Group } from '../shared/layout.js'
import { Deadline, runSync } from '../shared/wait.js'
import { want } from './bell.js'
import type { Core } from './core.js'
import { PlanSpace } from './plan.js'
import { lockRound, unlockRound } from './rounds.js'
import type { RoundEvent } from './fence.js'
import { runRound } from './writeback.js'

export class Flusher {
  readonly #core: Core
  readonly #flushDelayMs: number
  readonly #report: (event: RoundEvent) => void
  readonly #plans: PlanSpace
  readonly #rounds: (Generator<void, void, void> | undefined)[] = []
  readonly #kickAtMs: number[]

  constructor(core: Core, flushDelayMs: number, report: (event: RoundEvent) => void) {
    this.#core = core
    this.#flushDelayMs = flushDelayMs
    this.#report = report
    this.#plans = new PlanSpace(core.arena.geometry.blocks)
    this.#kickAtMs = core.rounds.map(() => Infinity)
  }

  /** Takes every round as far as it goes without waiting. Called after each ring of the bell. */
  step(): void {
    for (let group = 0; group < this.#core.arena.geometry.groups; group++) {
      do {
        if (this.#rounds[group] === undefined && this.#core.turns[group]!.isWanted) {
          this.#rounds[group] = runRound(this.#core, group, this.#plans, this.#report)
        }
        if (this.#rounds[group]?.next().done === true) this.#rounds[group] = undefined
      } while (this.#rounds[group] === undefined && this.#core.turns[group]!.isWanted)
      this.#watchClock(group)
    }
  }

  /** Milliseconds until a delayed kick is due; Infinity when none is. */
  idleMs(): number {
    return Math.max(0, Math.min(...this.#kickAtMs) - performance.now())
  }

  /** Whether a round is under way. */
  get isBusy(): boolean {
    return this.#rounds.some((round) => round !== undefined)
  }

  #watchClock(group: number): void {
    const core = this.#core
    const at = core.arena.groupAt(group)
    const delayed = load(core.words, at + Group.delayed)
    if (delayed === DelayedKick.NONE) {
      this.#kickAtMs[group] = Infinity
      return
    }
    const isDue = delayed === DelayedKick.RUNNING && this.#kickAtMs[group]! <= performance.now()
    if (delayed === DelayedKick.RUNNING && !isDue && this.#kickAtMs[group] !== Infinity) return
    runSync(lockRound(core, group, new Deadline()), core.mayBlock)
    if (isDue) {
      core.words[at + Group.delayed] = DelayedKick.NONE
      this.#kickAtMs[group] = Infinity
      want(core, group, core.words[at + Group.epoch]!)
    } else if (core.words[at + Group.delayed] !== DelayedKick.NONE) {
      core.words[at + Group.delayed] = DelayedKick.RUNNING
      this.#kickAtMs[group] = performance.now() + this.#flushDelayMs
    }
    unlockRound(core, group)
  }
}
