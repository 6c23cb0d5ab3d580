/**
 * The flush worker's loop, without its thread: runs the rounds that are wanted, and background rounds, which start at the
 * background mark of dirty blocks and when a delayed kick is due. A clean idle cache runs no rounds: the clock of a group
 * starts with its first dirty block, and stops with a round.
 */
import { performance } from 'node:perf_hooks'
import { load, store } from '#atomics'
import { writeRate } from '../../shared/settings.js'
import { SLICE_MS } from '../../shared/wait.js'
import type { Context } from '../context.js'
import { Budget, LOOK_MS, Pace, startsAtMark } from './pace.js'
import { PlanSpace } from './plan.js'
import { forgetCut, forgetPartial, freeOwnMutexes, reapDead } from '../recovery/reaper.js'
import { seizeRound } from '../recovery/seize.js'
import { unlockRound } from '../changes/rounds.js'
import { wantedThrough } from '../changes/through.js'
import { endFailedLeads, type EngineEvent } from './fence.js'
import { BY_FLUSH_WORKER } from './partial.js'
import { runPartial, runRound } from './writeback.js'
import { WriterPool } from './writer-pool.js'
import { returnAsked, returnSurplus } from './return-loans.js'
import { DelayedKick, Group, Header, Led } from '../../shared/words.js'

/** How long a round that is called for waits before it is checked again whether a thread still leads one of the group. */
const LED_MS = 10

interface RunningRound {
  readonly steps: Generator<void, void, void>
  readonly pace: Pace
}

export class Flusher {
  readonly #context: Context
  readonly #budget: Budget
  readonly #report: (event: EngineEvent) => void
  readonly #plans: PlanSpace
  readonly #writers: WriterPool
  readonly #rounds: (RunningRound | undefined)[] = []
  /** The partial rounds that this thread runs. */
  readonly #partials: (Generator<void, boolean, void> | undefined)[] = []
  /** When the clock of each group started; Infinity if it does not run. */
  readonly #clocks: number[]
  /** How many blocks of each group's last round were dirty again at its end. */
  readonly #hot: number[] = []
  /** Groups in which the former flush worker's cut has been dropped. */
  readonly #isReady: boolean[]
  /** Whether no dead thread is left to be recovered. */
  #isReaped = true
  /** When the pace of a round must be checked again. */
  #lookAtMs = Infinity

  constructor(context: Context, report: (event: EngineEvent) => void) {
    this.#context = context
    this.#budget = new Budget(() => writeRate(context.words))
    this.#report = report
    this.#plans = new PlanSpace(context.arena.geometry.blocks)
    this.#clocks = context.roundMutexes.map(() => Infinity)
    this.#isReady = context.roundMutexes.map(() => false)
    freeOwnMutexes(context)
    this.#writers = new WriterPool(context)
  }

  /**
   * Recovers dead slots, and continues every round as far as possible without waiting. Called after each ring of the bell.
   */
  step(): void {
    this.#isReaped = reapDead(this.#context, (slot, threadId) => {
      this.#report({ kind: 'died', slot, threadId })
    })
    this.#lookAtMs = Infinity
    for (let group = 0; group < this.#context.arena.geometry.groups; group++) {
      if (!this.#becomesReady(group)) continue
      this.#endLeads(group)
      this.#stopClock(group)
      do {
        this.#runPartials(group)
        this.#rounds[group] ??= this.#begin(group)
        const round = this.#rounds[group]
        if (this.#isDue(group)) round?.pace.hurry()
        if (round?.steps.next().done === true) {
          this.#rounds[group] = undefined
          this.#hot[group] = round.pace.hot
          returnSurplus(this.#context, group)
        } else if (round) this.#lookAtMs = Math.min(this.#lookAtMs, round.pace.takeLookAtMs())
        this.#runPartials(group)
      } while (this.#rounds[group] === undefined && this.#isCalledFor(group))
      returnAsked(this.#context, group)
      // What rounds of leaders freed, or the end of a guard.
      if (this.#rounds[group] === undefined && this.#isClean(group)) returnSurplus(this.#context, group)
      this.#watchClock(group)
    }
  }

  /** Milliseconds until the next call of `step` is due without a ring of the bell; Infinity if none is. */
  idleMs(): number {
    const kicksAtMs = this.#clocks
      .filter((_, group) => this.#rounds[group] === undefined && !this.#isLed(group))
      .map((startMs) => startMs + this.#delayMs)
    const wakeAtMs = Math.min(...kicksAtMs, this.#lookAtMs)
    const sliceMs = this.isBusy || !this.#isReaped ? SLICE_MS : Infinity
    return Math.min(sliceMs, Math.max(0, wakeAtMs - performance.now()))
  }

  /** Whether a round is under way. */
  get isBusy(): boolean {
    const runs = [...this.#rounds, ...this.#partials]
    return runs.some((round) => round !== undefined) || this.#isReady.includes(false)
  }

  /**
   * Continues the partial round of a group, and begins those that are asked for. If a full round is called for and none is under
   * way, it comes first: it makes the same classes durable.
   */
  #runPartials(group: number): void {
    for (;;) {
      if (this.#partials[group] === undefined) {
        const through = wantedThrough(this.#context, group)
        if (through === 0 || (this.#rounds[group] === undefined && this.#isCalledFor(group))) return
        const means = { plans: this.#plans, writers: this.#writers }
        this.#partials[group] = runPartial(this.#context, group, through, means, this.#report)
      }
      const step = this.#partials[group].next()
      if (step.done !== true) return
      this.#partials[group] = undefined
      // It may not begin yet: a thread runs one, and rings at its end; or a full round is not that far, or has to come first.
      if (!step.value) return
    }
  }

  /** Begins a round, if there is a reason for one. */
  #begin(group: number): RunningRound | undefined {
    if (!this.#isCalledFor(group)) return undefined
    const pace = new Pace(this.#context, group, this.#budget, this.#isDue(group))
    this.#clocks[group] = Infinity
    const means = { plans: this.#plans, writers: this.#writers }
    return { steps: runRound(this.#context, group, means, pace, this.#report), pace }
  }

  /** Whether a round has to begin now. Not while a thread leads one, or a partial one; then it is checked again soon. */
  #isCalledFor(group: number): boolean {
    const isCalled = this.#context.rounds[group]!.isWanted || this.#isDue(group) || this.#isAtMark(group)
    if (!isCalled) this.#storeYields(group, 0)
    if (!isCalled || !this.#isLed(group)) return isCalled
    if (this.#partial(group) !== Led.NONE) this.#storeYields(group, 1)
    this.#lookAtMs = Math.min(this.#lookAtMs, performance.now() + LED_MS)
    return false
  }

  /** 1: a full round has to begin, so no thread begins a partial one; `makeCut` ends that. */
  #storeYields(group: number, yields: number): void {
    const { words, arena, rounds } = this.#context
    const yieldsAt = arena.groupAt(group) + Group.yields
    if (words[yieldsAt] === yields) return
    store(words, yieldsAt, yields)
    rounds[group]!.broadcast()
  }

  /** Whether a thread leads a round, or a partial one is under way. */
  #isLed(group: number): boolean {
    return this.#leader(group) !== Led.NONE || this.#partial(group) !== Led.NONE
  }

  #leader(group: number): number {
    return load(this.#context.words, this.#context.arena.groupAt(group) + Group.leader)
  }

  #partial(group: number): number {
    return load(this.#context.words, this.#context.arena.groupAt(group) + Group.partial)
  }

  /** Ends the rounds that their leaders left to this thread. */
  #endLeads(group: number): void {
    const [leader, partial] = [this.#leader(group), this.#partial(group)]
    if (leader === Led.FAILED || partial === Led.FAILED) endFailedLeads(this.#context, group, this.#report)
    if (leader === Led.GAVE_UP) forgetCut(this.#context, group, leader)
    if (partial === Led.GAVE_UP) forgetPartial(this.#context, group, partial)
  }

  /** Stops the clock of a delayed kick if all blocks are clean, because threads that flushed have written them. */
  #stopClock(group: number): void {
    const { words, arena } = this.#context
    const at = arena.groupAt(group)
    if (this.#rounds[group] !== undefined || !this.#isDue(group) || load(words, at + Group.dirty) > 0) return
    seizeRound(this.#context, group)
    if (words[at + Group.dirty] === 0) words[at + Group.delayed] = DelayedKick.NONE
    unlockRound(this.#context, group)
    this.#clocks[group] = Infinity
  }

  #isClean(group: number): boolean {
    return load(this.#context.words, this.#context.arena.groupAt(group) + Group.dirty) === 0
  }

  /** How long a change stays unwritten if no call asks for a round. */
  get #delayMs(): number {
    return this.#context.words[Header.flushDelayMs]!
  }

  /** Whether the delayed kick of a group is due. */
  #isDue(group: number): boolean {
    return this.#clocks[group]! + this.#delayMs <= performance.now()
  }

  /**
   * Whether a background round should start. Not while a partition is fenced: the round would fail, and the next start at
   * once. A group above the mark that does not start one is checked again soon, since nothing rings when it has to.
   */
  #isAtMark(group: number): boolean {
    const { words, arena } = this.#context
    const at = arena.groupAt(group)
    if (load(words, at + Group.dirty) < words[at + Group.dirtyBackground]!) return false
    if (load(words, at + Group.fences) !== 0) return false
    if (startsAtMark(this.#context, group, this.#hot[group] ?? 0)) return true
    this.#lookAtMs = Math.min(this.#lookAtMs, performance.now() + LOOK_MS)
    return false
  }

  /**
   * A former flush worker's stage continues until its writers are idle; then its cut is dropped. Returns whether that is
   * done.
   */
  #becomesReady(group: number): boolean {
    if (this.#isReady[group] === true) return true
    if (this.#writers.isBusyFor(group)) return false
    forgetCut(this.#context, group)
    forgetPartial(this.#context, group, BY_FLUSH_WORKER)
    this.#isReady[group] = true
    return true
  }

  #watchClock(group: number): void {
    const { words, arena } = this.#context
    const at = arena.groupAt(group)
    const delayed = load(words, at + Group.delayed)
    if (delayed === DelayedKick.NONE) {
      this.#clocks[group] = Infinity
      return
    }
    if (delayed === DelayedKick.RUNNING && this.#clocks[group] !== Infinity) return
    seizeRound(this.#context, group)
    if (words[at + Group.delayed] !== DelayedKick.NONE) {
      words[at + Group.delayed] = DelayedKick.RUNNING
      this.#clocks[group] = performance.now()
    }
    unlockRound(this.#context, group)
  }
}
