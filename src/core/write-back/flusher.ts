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
import { hasFence } from './record-cut.js'
import { runPlaces, runRecordRound } from './record-round.js'
import { type RoundMeans, runPartial, runRound } from './writeback.js'
import { hasInClass, hasJournal, hasUnrecorded } from '../changes/recorded.js'
import { isAfter, PLACE_CLASS } from '../../shared/stamp.js'
import { WriterPool } from './writer-pool.js'
import { returnAsked, returnSurplus } from './return-loans.js'
import { DelayedKick, Fence, Group, Header, Led } from '../../shared/words.js'

/** How long a round that is called for waits before it is checked again whether a thread still leads one of the group. */
const LED_MS = 10

interface RunningRound {
  /** It returns false if it could not begin. */
  readonly steps: Generator<void, unknown, void>
  readonly pace: Pace
}

export class Flusher {
  readonly #context: Context
  readonly #budget: Budget
  readonly #report: (event: EngineEvent) => void
  readonly #writers: WriterPool
  readonly #means: RoundMeans
  readonly #rounds: (RunningRound | undefined)[] = []
  /** The partial rounds that this thread runs. */
  readonly #partials: (Generator<void, boolean, void> | undefined)[] = []
  /** The rounds that write recorded blocks in place, in groups with a journal. */
  readonly #places: (RunningRound | undefined)[] = []
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
    this.#clocks = context.roundMutexes.map(() => Infinity)
    this.#isReady = context.roundMutexes.map(() => false)
    freeOwnMutexes(context)
    this.#writers = new WriterPool(context)
    const plans = new PlanSpace(context.arena.geometry.blocks, this.#writers.inherited())
    this.#means = { plans, writers: this.#writers }
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
        this.#runPlaces(group)
        this.#runPartials(group)
        this.#rounds[group] ??= this.#begin(group)
        const round = this.#rounds[group]
        if (this.#isDue(group)) round?.pace.hurry()
        const step = round?.steps.next()
        if (round && step?.done === true) {
          this.#rounds[group] = undefined
          if (step.value === false) {
            this.#lookAtMs = Math.min(this.#lookAtMs, performance.now() + LED_MS)
            break
          }
          if (!hasJournal(this.#context, group)) this.#hot[group] = round.pace.hot
          returnSurplus(this.#context, group)
        } else if (round) this.#lookAtMs = Math.min(this.#lookAtMs, round.pace.takeLookAtMs())
        this.#runPartials(group)
      } while (this.#rounds[group] === undefined && this.#isCalledFor(group))
      this.#runPlaces(group)
      returnAsked(this.#context, group)
      // What rounds of leaders freed, or the end of a guard.
      if (this.#rounds[group] === undefined && this.#isClean(group)) returnSurplus(this.#context, group)
      this.#watchClock(group)
    }
  }

  /** Milliseconds until the next call of `step` is due without a ring of the bell; Infinity if none is. */
  idleMs(): number {
    const kicksAtMs = this.#clocks
      .filter((_, group) => this.#rounds[group] === undefined && !this.#places[group] && !this.#isLed(group))
      .map((startMs) => startMs + this.#delayMs)
    const wakeAtMs = Math.min(...kicksAtMs, this.#lookAtMs)
    const sliceMs = this.isBusy || !this.#isReaped ? SLICE_MS : Infinity
    return Math.min(sliceMs, Math.max(0, wakeAtMs - performance.now()))
  }

  /** Whether a round is under way. */
  get isBusy(): boolean {
    const runs = [...this.#rounds, ...this.#partials, ...this.#places]
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
        this.#partials[group] = runPartial(this.#context, group, through, this.#means, this.#report)
      }
      const step = this.#partials[group].next()
      if (step.done !== true) return
      this.#partials[group] = undefined
      // It may not begin yet: a thread runs one, and rings at its end; or a full round is not that far, or has to come first.
      if (!step.value) return
    }
  }

  /**
   * Continues writing recorded blocks in place, or begins it: when the older half of the journal has to get free, when blocks must become
   * clean, when a fence was lifted for an attempt, and in the background.
   */
  #runPlaces(group: number): void {
    const context = this.#context
    if (!hasJournal(context, group)) return
    const isDue = this.#isDue(group)
    if (this.#places[group] === undefined) {
      if (!this.#isToPlace(group)) return
      const pace = new Pace(context, group, this.#budget, isDue)
      this.#clocks[group] = Infinity
      this.#places[group] = { steps: runPlaces(context, group, this.#means, pace, this.#report), pace }
    }
    const { steps, pace } = this.#places[group]
    if (isDue) pace.hurry()
    if (steps.next().done === true) {
      this.#places[group] = undefined
      this.#hot[group] = pace.hot
      returnSurplus(context, group)
    }
    this.#lookAtMs = Math.min(this.#lookAtMs, pace.takeLookAtMs())
  }

  #isToPlace(group: number): boolean {
    const context = this.#context
    const { words, arena } = context
    const at = arena.groupAt(group)
    // While a record is written that the half owes, nothing of it can be.
    const isOver =
      load(words, at + Group.cut) === 0 || !isAfter(words[at + Group.owedTo]!, words[at + Group.done]!)
    const isOwed = load(words, at + Group.owes) === 1 && isOver
    // What has no record yet gets one first, unless that has to wait for this.
    if (hasFence(context, group, Fence.RETRYING)) return isOwed || !this.#isRecordCalledFor(group)
    if (load(words, at + Group.fences) > 0) return false
    if (isOwed) return true
    if (!hasInClass(context, group, PLACE_CLASS)) return false
    return load(words, at + Group.places) === 1 || this.#isDue(group) || this.#isAtMark(group)
  }

  /** Begins a round, if there is a reason for one. */
  #begin(group: number): RunningRound | undefined {
    if (!this.#isCalledFor(group)) return undefined
    const context = this.#context
    const pace = new Pace(context, group, this.#budget, this.#isDue(group))
    if (hasJournal(context, group)) {
      // A fenced group is not looked at again before the next delay is over.
      if (load(context.words, context.arena.groupAt(group) + Group.fences) > 0) this.#clocks[group] = Infinity
      return { steps: runRecordRound(context, group, this.#means, this.#report), pace }
    }
    this.#clocks[group] = Infinity
    const means = this.#means
    return { steps: runRound(this.#context, group, means, pace, this.#report), pace }
  }

  /** Whether a round has to begin now. Not while a thread leads one, or a partial one; then it is checked again soon. */
  #isCalledFor(group: number): boolean {
    const isCalled = hasJournal(this.#context, group)
      ? this.#isRecordCalledFor(group)
      : this.#context.rounds[group]!.isWanted || this.#isDue(group) || this.#isAtMark(group)
    if (!isCalled) this.#storeYields(group, 0)
    if (!isCalled || !this.#isLed(group)) return isCalled
    if (this.#partial(group) !== Led.NONE && !hasJournal(this.#context, group)) this.#storeYields(group, 1)
    this.#lookAtMs = Math.min(this.#lookAtMs, performance.now() + LED_MS)
    return false
  }

  /** Whether a record must be written: one is asked for, or blocks have to get clean, and need one before. */
  #isRecordCalledFor(group: number): boolean {
    const context = this.#context
    if (context.rounds[group]!.isWanted) return true
    if (this.#places[group] !== undefined || !hasUnrecorded(context, group)) return false
    const at = context.arena.groupAt(group)
    const isAsked =
      load(context.words, at + Group.places) === 1 && load(context.words, at + Group.fences) === 0
    return isAsked || this.#isDue(group) || this.#isAtMark(group)
  }

  /** 1: a full round has to begin, so no thread begins a partial one; `makeCut` ends that. */
  #storeYields(group: number, yields: number): void {
    const { words, arena, rounds } = this.#context
    const yieldsAt = arena.groupAt(group) + Group.yields
    if (words[yieldsAt] === yields) return
    store(words, yieldsAt, yields)
    rounds[group]!.broadcast()
  }

  /** Whether a thread leads a round, or a partial one is under way. With a journal, the latter writes in place. */
  #isLed(group: number): boolean {
    if (this.#leader(group) !== Led.NONE) return true
    return this.#partial(group) !== Led.NONE && !hasJournal(this.#context, group)
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
