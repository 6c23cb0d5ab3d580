// The turn. All driven threads and the explorer share one control buffer. At every point the thread that has the turn
// decides by the schedule which thread continues. A switch costs a wakeup and a sleep, and continuing costs nothing, so a
// schedule with few preemptions is fast.
//
// A schedule is the list of picks at the decisions, the points with more than one option. Pick 0 is always the plain
// one: the same thread continues, or the next in turn if it cannot.

import { OPS, type Op, type Words } from './atomics.js'
import { ANY, At, DEATHS, DECISIONS_MAX, Outcome, State, STEPS_MAX, TEXT_BYTES, Thread } from './control.js'

/** An option of a decision that is no thread. */
const DIE = -1

/** Thrown in a thread that dies, and again at all its later points, so that no `finally` can change shared memory. */
export class Death extends Error {}
/** Thrown in every thread when a schedule is aborted. */
export class Abort extends Error {}

/** Waits of at most this length may end without a wakeup: they do not depend on one. */
const SHORT_MS = 6

const POLLS_A_SLICE = 8

const isChange = (op: Op): boolean => op !== 'load'

export class Turns {
  readonly control: Words
  readonly me: number
  readonly #count: number
  readonly #explorer: number
  #isDead = false

  constructor(control: Words, me: number, count: number) {
    this.control = control
    this.me = me
    this.#count = count
    this.#explorer = count
  }

  static wordsOf(thread: number): number {
    return At.threads + 16 * thread
  }

  stateOf(thread: number): number {
    return this.control[Turns.wordsOf(thread) + Thread.state]!
  }

  setState(thread: number, state: number, at = 0, value = 0): void {
    const words = Turns.wordsOf(thread)
    this.control[words + Thread.state] = state
    this.control[words + Thread.at] = at
    this.control[words + Thread.value] = value
  }

  /** The condition for which a thread that does not run waits. */
  waitOf(thread: number): { at: number; value: number } {
    const words = Turns.wordsOf(thread)
    return { at: this.control[words + Thread.at]!, value: this.control[words + Thread.value]! }
  }

  /** Gives the turn to a thread and wakes it. */
  give(thread: number): void {
    const at = Turns.wordsOf(thread) + Thread.go
    Atomics.store(this.control, at, 1)
    Atomics.notify(this.control, at)
  }

  /** Waits until this thread has the turn; false when that takes too long. */
  awaitTurn(timeoutMs = Infinity): boolean {
    const at = Turns.wordsOf(this.me) + Thread.go
    while (Atomics.load(this.control, at) === 0)
      if (Atomics.wait(this.control, at, 0, timeoutMs) === 'timed-out') return false
    Atomics.store(this.control, at, 0)
    return true
  }

  begin(): void {
    this.#isDead = false
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** A point before `op`: other threads may run, and with `isMortal` this one may die. */
  point(op: Op, words: Words, at: number, value: number, isMortal: boolean, die: () => void): void {
    this.assertRunning()
    const { control } = this
    this.note(op, at, value)
    const options = [this.me]
    // Where deaths are explored, a thread may die at a plain store but is not preempted there.
    const isPlain = op === 'plainStore' && control[At.deathsAtFirst]! > 0
    if (control[At.preemptions]! > 0 && !isPlain)
      for (let i = 1; i < this.#count; i++) {
        const other = (this.me + i) % this.#count
        if (this.#isReady(other, words)) options.push(other)
      }
    if (isMortal && control[At.deaths]! > 0 && isChange(op)) options.push(DIE)
    const next = this.decide(options)
    if (next === DIE) {
      control[At.deaths]!--
      this.note('dies', at, 0)
      control[At.deathOp] = OPS.indexOf(op)
      control[At.deathAt] = at
      this.#isDead = true
      die()
      throw new Death()
    }
    if (next === this.me) return
    control[At.preemptions]!--
    this.#switchTo(next)
  }

  /** Sleeps if `now`, what this thread reads of `words[at]`, is `value`; returns how the sleep ended. */
  sleep(words: Words, at: number, value: number, timeoutMs: number, now: number): string {
    if (now !== value) return 'not-equal'
    const isShort = timeoutMs < SHORT_MS
    this.setState(this.me, isShort ? State.POLLING : State.SLEEPING, at, value)
    this.control[Turns.wordsOf(this.me) + Thread.polledAt] = this.control[At.steps]!
    this.leave(words)
    return 'ok'
  }

  /**
   * The wait of a service for a word, or for DEATHS: false when no thread is left to serve. */
  serve(words: Words, at: number, value: number): boolean {
    this.assertRunning()
    const now = at === DEATHS ? this.control[At.died]! : Atomics.load(words, at)
    if (now !== value) return true
    this.setState(this.me, State.SERVING, at, value)
    this.leave(words)
    return this.control[At.isEnding] === 0
  }

  /** Makes the threads that sleep on a word ready; returns their number. */
  wake(at: number): number {
    let woken = 0
    for (let thread = 0; thread < this.#count; thread++) {
      const state = this.stateOf(thread)
      const isAsleep = state === State.SLEEPING || state === State.POLLING || state === State.SERVING
      if (!isAsleep || this.waitOf(thread).at !== at) continue
      this.setState(thread, State.READY)
      woken++
    }
    return woken
  }

  isSleptOn(at: number): boolean {
    for (let thread = 0; thread < this.#count; thread++) {
      const state = this.stateOf(thread)
      if (state >= State.SLEEPING && state <= State.SERVING && this.waitOf(thread).at === at) return true
    }
    return false
  }

  /** Passes the turn on while this thread is not ready; returns when it has the turn again. */
  leave(words: Words): void {
    const next = this.#next(words)
    if (next === this.me) this.setState(this.me, State.READY)
    else this.#switchTo(next)
  }

  /** Ends this thread's part in the schedule. */
  finish(words: Words, state: number): void {
    this.setState(this.me, state)
    if (state === State.DEAD) this.control[At.died]!++
    this.give(this.control[At.isAborting] !== 0 ? this.#explorer : this.#next(words))
  }

  /** The first thread of a schedule. */
  first(words: Words): number {
    return this.#next(words)
  }

  /** Ends the schedule at once. */
  stop(outcome: number, text = ''): void {
    const { control } = this
    if (control[At.outcome] === Outcome.NONE) {
      control[At.outcome] = outcome
      control[At.outcomeThread] = this.me
      const bytes = new TextEncoder().encode(text).subarray(0, TEXT_BYTES)
      new Uint8Array(control.buffer, At.text * 4).set(bytes)
      control[At.textLength] = bytes.length
    }
    control[At.isAborting] = 1
  }

  /** Throws in a dead thread, or when the schedule is aborted. */
  assertRunning(): void {
    if (this.#isDead) throw new Death()
    if (this.control[At.isAborting] !== 0) throw new Abort()
  }

  note(op: Op, at: number, value: number): void {
    const step = this.control[At.steps]!
    if (step === STEPS_MAX) {
      this.stop(Outcome.ENDLESS)
      throw new Abort()
    }
    this.control[At.steps] = step + 1
    const log = At.log + 3 * step
    this.control[log] = (this.me << 8) | OPS.indexOf(op)
    this.control[log + 1] = at
    this.control[log + 2] = value
  }

  /** Picks by the schedule, and the first option past its end. */
  decide(options: readonly number[]): number {
    if (options.length === 1) return options[0]!
    const { control } = this
    const i = control[At.decisions]!
    const given = i < control[At.prefix]! ? control[At.picks + i]! : 0
    const pick = (given & ANY) === 0 ? given : 1 + ((given & ~ANY) % (options.length - 1))
    if (pick >= options.length || i === DECISIONS_MAX) {
      this.stop(Outcome.DIVERGED)
      throw new Abort()
    }
    control[At.decisions] = i + 1
    control[At.taken + i] = (options.length << 16) | pick
    return options[pick]!
  }

  #switchTo(thread: number): void {
    this.give(thread)
    this.awaitTurn()
    this.assertRunning()
  }

  #isReady(thread: number, words: Words): boolean {
    const { at, value } = this.waitOf(thread)
    switch (this.stateOf(thread)) {
      case State.READY:
        return true
      case State.POLLING:
        return Atomics.load(words, at) !== value
      case State.SERVING:
        return at === DEATHS && this.control[At.died] !== value
      default:
        return false
    }
  }

  /** The thread that continues when the one that has the turn cannot. */
  #next(words: Words): number {
    const from = this.me === this.#explorer ? 0 : this.me + 1
    const order = Array.from({ length: this.#count }, (_, i) => (from + i) % this.#count)
    const ready = order.filter((thread) => this.#isReady(thread, words))
    if (ready.length > 0) {
      this.control[At.polls] = 0
      return this.#awake(this.#turnOf(ready))
    }
    // A slice is long: many short waits end before it does.
    const isSliceOver = this.control[At.polls]!++ > POLLS_A_SLICE
    const next = isSliceOver ? this.#afterSlice(order) : undefined
    return (
      next ?? this.#longestPoller(order) ?? this.#afterSlice(order) ?? this.#ending(order) ?? this.#explorer
    )
  }

  /** The next thread in turn, or another one as a detour. */
  #turnOf(ready: readonly number[]): number {
    const { control } = this
    const next = control[At.detours]! > 0 ? this.decide(ready) : ready[0]!
    if (next !== ready[0]) control[At.detours]!--
    return next
  }

  #awake(thread: number): number {
    this.setState(thread, State.READY)
    return thread
  }

  /** Ends a short wait when no other thread can run. */
  #longestPoller(order: readonly number[]): number | undefined {
    const polledAt = (thread: number) => this.control[Turns.wordsOf(thread) + Thread.polledAt]!
    const polling = order.filter((thread) => this.stateOf(thread) === State.POLLING)
    if (polling.length === 0) return undefined
    return this.#awake(polling.reduce((a, b) => (polledAt(b) < polledAt(a) ? b : a)))
  }

  /** Makes all threads that sleep in slices recheck, if slices are allowed. */
  #afterSlice(order: readonly number[]): number | undefined {
    const { control } = this
    const sleeping = order.filter((thread) => this.stateOf(thread) === State.SLEEPING)
    if (sleeping.length === 0 || control[At.slices] === 0) return undefined
    control[At.polls] = 0
    control[At.slices]!--
    if (control[At.slicesUsed]!++ === 0) control[At.sliceWord] = this.waitOf(sleeping[0]!).at
    for (const thread of sleeping) {
      this.note('wakes', this.waitOf(thread).at, thread)
      this.setState(thread, State.READY)
    }
    return this.decide(sleeping)
  }

  /** If only services are left, they end. If no thread is left, the schedule ends. If one sleeps, it is a deadlock. */
  #ending(order: readonly number[]): number | undefined {
    const isOver = (thread: number) => this.stateOf(thread) >= State.DONE
    const serving = order.filter((thread) => this.stateOf(thread) === State.SERVING)
    if (order.some((thread) => !isOver(thread) && !serving.includes(thread))) {
      this.stop(Outcome.DEADLOCK)
      return undefined
    }
    if (serving.length === 0) {
      this.control[At.outcome] = Outcome.FINISHED
      return undefined
    }
    this.control[At.isEnding] = 1
    for (const thread of serving) this.setState(thread, State.READY)
    return serving[0]
  }
}
