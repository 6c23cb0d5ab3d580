/**
 * The flush worker's loop, without its thread: runs the rounds that are wanted, and the clocks of delayed kicks. An idle
 * clean cache runs no rounds: the clock of a group starts with its first dirty block, and ends with a round.
 */
import { load, notify } from '#atomics'
import { DelayedKick, Group, Partition } from '../shared/layout.js'
import { want } from './bell.js'
import type { Core } from './core.js'
import { PlanSpace } from './plan.js'
import { forgetCut, freeOwnMutexes, reapDead } from './reaper.js'
import { seizeRound } from './repair.js'
import { unlockRound } from './rounds.js'
import type { RoundEvent } from './fence.js'
import { isIdle, runRound } from './writeback.js'

export class Flusher {
  readonly #core: Core
  readonly #flushDelayMs: number
  readonly #report: (event: RoundEvent) => void
  readonly #plans: PlanSpace
  readonly #rounds: (Generator<void, void, void> | undefined)[] = []
  readonly #kickAtMs: number[]
  /** Groups whose last flush worker's cut is forgotten. */
  readonly #isReady: boolean[]

  constructor(core: Core, flushDelayMs: number, report: (event: RoundEvent) => void) {
    this.#core = core
    this.#flushDelayMs = flushDelayMs
    this.#report = report
    this.#plans = new PlanSpace(core.arena.geometry.blocks)
    this.#kickAtMs = core.rounds.map(() => Infinity)
    this.#isReady = core.rounds.map(() => false)
    freeOwnMutexes(core)
    // What the one before asked a writer for may never have been said.
    for (const { index } of core.partitions) notify(core.words, core.arena.partitionAt(index) + Partition.job)
  }

  /** Reaps the dead, and takes every round as far as it goes without waiting. Called after each ring of the bell. */
  step(): void {
    reapDead(this.#core)
    for (let group = 0; group < this.#core.arena.geometry.groups; group++) {
      if (!this.#becomesReady(group)) continue
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
    return this.#rounds.some((round) => round !== undefined) || this.#isReady.includes(false)
  }

  /** A former flush worker's stage goes on until its writers are idle; then its cut is forgotten. */
  #becomesReady(group: number): boolean {
    if (this.#isReady[group] === true) return true
    const isBusy = this.#core.partitions.some(
      ({ index, group: of }) => of === group && !isIdle(this.#core, index),
    )
    if (isBusy) return false
    forgetCut(this.#core, group)
    this.#isReady[group] = true
    return true
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
    seizeRound(core, group)
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
