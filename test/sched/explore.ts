// The explorer: runs a body under every schedule within bounds on preemptions, deaths and stale loads, depth first. Each
// schedule begins with the initial memory; its threads are real and are reused for the next one. If a thread sleeps and none
// is ready, that is a deadlock. A schedule that fails can be run again from its text.
//
// For bodies with too many schedules, `random` draws them: each takes another option than the first at a few decisions that
// are chosen at random, as many as the bounds allow. A mistake that needs d of them among n decisions is found with a
// probability of at least about 1/n^d (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees", 2010).

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { OPS } from './atomics.js'
import { loadBody } from './engine.js'
import { formatPicks, logText, parsePicks } from './report.js'
import type { ThreadData } from './thread.js'
import { ANY, At, CONTROL_BYTES, DECISIONS_MAX, Outcome, State, THREADS_MAX } from './control.js'
import { Turns } from './turns.js'
import { prepareVariant } from './variants.js'
import { type Mode, MODES } from './weak.js'
import { newTable, tableBytes } from './weak-table.js'
import type { Words } from '#atomics'
import { Random } from '#dist/workload/random.js'
import type { Body } from './body.js'

export interface Run {
  /** Module and name, as in 'mutex.increment'. */
  readonly body: string
  /** The code, see variants.ts; dist/ as it is by default. */
  readonly variant?: string
  /** How often a thread that could continue may be preempted. */
  readonly preemptions: number
  /** How often a thread other than the next in turn may run after one that cannot continue; unbounded by default. */
  readonly detours?: number
  readonly deaths?: number
  /** How often in one schedule the sleeping threads may recheck without a wakeup. */
  readonly slices?: number
  /** The modes of the weak memory, one after the other; without them, every load returns the newest value. */
  readonly weak?: readonly Mode[]
  /** How many loads of a schedule may return an older value. */
  readonly stales?: number
  /** Draws the schedules at random, from this seed. */
  readonly random?: number
  /** Runs only this schedule. */
  readonly replay?: string
  /** The maximum number of schedules. */
  readonly max?: number
}

export interface Failure {
  readonly kind: 'deadlock' | 'error' | 'broken' | 'diverged' | 'endless' | 'stuck'
  readonly text: string
  /** The picks, for `replay`. */
  readonly schedule: string
  /** Step by step. */
  readonly log: string
}

export interface Explored {
  readonly mode: Mode | undefined
  readonly seconds: number
  readonly schedules: number
  readonly steps: number
  /** The longest schedule. */
  readonly decisionsMax: number
  /** Schedules in which a thread continued only because a slice ended, by the wakeup that a death prevented. */
  readonly slices: Readonly<Record<string, number>>
  readonly isComplete: boolean
  readonly failure: Failure | undefined
  /** The steps of a schedule that was run again and did not fail. */
  readonly log?: string
}

/** A thread that keeps the turn longer than this is in an endless loop. */
const STUCK_MS = 300_000

const KINDS = {
  [Outcome.DEADLOCK]: 'deadlock',
  [Outcome.ERROR]: 'error',
  [Outcome.DIVERGED]: 'diverged',
  [Outcome.ENDLESS]: 'endless',
} as const

/** Threads that wait for a body; they do not keep the process alive. */
const idle: Worker[] = []

/** One outcome for each mode; the first one that fails is the last. */
export async function explore(run: Run): Promise<Explored[]> {
  const { body, variant = '', weak } = run
  const engine = await prepareVariant([variant, weak && 'weak'].filter(Boolean).join('+'))
  const explorer = new Explorer(run, await loadBody(body, engine), engine)
  try {
    if (weak === undefined) return [explorer.run()]
    const outcomes: Explored[] = []
    for (const mode of weak) {
      outcomes.push(explorer.run(mode))
      if (outcomes.at(-1)?.failure) break
    }
    return outcomes
  } finally {
    await explorer.end()
  }
}

class Explorer {
  readonly #options: Run
  readonly #body: Body
  readonly #control: Words = new Int32Array(new SharedArrayBuffer(CONTROL_BYTES))
  readonly #turns: Turns
  readonly #words: Words
  readonly #images: readonly Uint8Array[]
  readonly #workers: readonly Worker[]
  #slices: Record<string, number> = {}
  readonly #table: ReturnType<typeof newTable> | undefined
  readonly #random: Random | undefined
  #picks: number[] = []
  #counts: number[] = []
  #schedules = 0
  #steps = 0
  #decisionsMax = 0
  #mode: Mode | undefined
  #start = 0
  #isStuck = false

  constructor(options: Run, body: Body, engine: string) {
    const count = body.roles.length
    if (count > THREADS_MAX) throw new Error(`${count} threads, ${THREADS_MAX} are the most`)
    this.#options = options
    this.#body = body
    this.#turns = new Turns(this.#control, count, count)
    this.#words = new Int32Array(body.memory[0]!)
    this.#images = body.memory.map((buffer) => new Uint8Array(buffer).slice())
    this.#random = options.random === undefined ? undefined : new Random(options.random, 0)
    const length = this.#words.length
    const table = options.weak && new SharedArrayBuffer(tableBytes(length))
    this.#table = table && newTable(length, table)
    this.#workers = body.roles.map((_, me) => {
      const data: ThreadData = {
        body: options.body,
        engine,
        control: this.#control.buffer,
        memory: body.memory,
        me,
        table,
      }
      const worker = idle.pop() ?? new Worker(new URL('thread.js', import.meta.url))
      worker.ref()
      worker.postMessage(data)
      return worker
    })
  }

  run(mode?: Mode): Explored {
    const { replay, max = Infinity } = this.#options
    if (this.#table && mode !== undefined) this.#table.meta.mode = MODES.indexOf(mode)
    this.#picks = replay === undefined ? [] : parsePicks(replay)
    this.#counts = []
    this.#schedules = this.#steps = this.#decisionsMax = 0
    this.#slices = {}
    this.#mode = mode
    this.#start = performance.now()
    for (;;) {
      const failure = this.#runOne()
      if (failure !== undefined) return this.#explored(false, failure)
      if (replay !== undefined) return { ...this.#explored(false, undefined), log: this.log }
      if (this.#random) this.#draw(this.#random)
      else if (!this.#advance()) return this.#explored(true, undefined)
      if (this.#schedules >= max) return this.#explored(false, undefined)
    }
  }

  /** Makes the threads idle; if one is stuck, they are ended. */
  async end(): Promise<void> {
    if (this.#isStuck) {
      await Promise.all(this.#workers.map((worker) => worker.terminate()))
      return
    }
    this.#control[At.isOver] = 1
    this.#workers.forEach((_, thread) => {
      this.#turns.give(thread)
    })
    await Promise.all(this.#workers.map((worker) => once(worker, 'message')))
    for (const worker of this.#workers) worker.unref()
    idle.push(...this.#workers)
  }

  /** The log of the last schedule. */
  get log(): string {
    return logText(this.#control, this.#body)
  }

  #explored(isComplete: boolean, failure: Failure | undefined): Explored {
    return {
      mode: this.#mode,
      seconds: (performance.now() - this.#start) / 1000,
      schedules: this.#schedules,
      steps: this.#steps,
      decisionsMax: this.#decisionsMax,
      slices: this.#slices,
      isComplete,
      failure,
    }
  }

  #runOne(): Failure | undefined {
    const control = this.#control
    this.#reset()
    this.#turns.give(this.#turns.first(this.#words))
    this.#awaitTurn()
    if (this.#isStuck) return this.#failure('stuck', 'a thread does not give its turn away')
    this.#schedules++
    this.#steps += control[At.steps]!
    const decisions = control[At.decisions]!
    this.#decisionsMax = Math.max(this.#decisionsMax, decisions)
    const taken = control.slice(At.taken, At.taken + decisions)
    // The same picks must lead to the same choices: otherwise something other than the schedule decides.
    const isSame = this.#counts.every((count, i) => taken[i] !== undefined && taken[i] >>> 16 === count)
    this.#counts = Array.from(taken, (word) => word >>> 16)
    this.#picks = Array.from(taken, (word) => word & 0xffff)
    const outcome = control[At.outcome]!
    if (outcome !== Outcome.FINISHED) {
      const failure = this.#failure(KINDS[outcome as keyof typeof KINDS], this.#textOf(outcome))
      this.#abort()
      return failure
    }
    if (!isSame) return this.#failure('diverged', 'the same picks led to other choices')
    if (control[At.slicesUsed]! > 0) {
      const name = this.#sliceText()
      this.#slices[name] = (this.#slices[name] ?? 0) + 1
    }
    const died = this.#body.roles.filter((_, i) => this.#turns.stateOf(i) === State.DEAD)
    const broken = this.#body.verify(died.map(({ name }) => name))
    return broken.length > 0 ? this.#failure('broken', broken.join('\n')) : undefined
  }

  #awaitTurn(): void {
    this.#isStuck ||= !this.#turns.awaitTurn(STUCK_MS)
  }

  #reset(): void {
    const { preemptions, detours = 2 ** 30, deaths = 0, slices = 0, stales = 0 } = this.#options
    const control = this.#control
    this.#images.forEach((image, i) => new Uint8Array(this.#body.memory[i]!).set(image))
    control.fill(0, 0, At.picks)
    control[At.preemptions] = preemptions
    control[At.detours] = detours
    control[At.deaths] = deaths
    control[At.deathsAtFirst] = deaths
    control[At.slices] = slices
    control[At.stales] = stales
    this.#table?.reset()
    if (this.#picks.length > DECISIONS_MAX) throw new Error('a schedule with too many decisions')
    control.set(this.#picks, At.picks)
    control[At.prefix] = this.#picks.length
    this.#body.roles.forEach(({ startsOnDeath = false }, i) => {
      // Without deaths a thread that begins with one never does, and need not even end.
      const waiting = deaths > 0 ? State.SERVING : State.DONE
      this.#turns.setState(i, startsOnDeath ? waiting : State.READY, -1, 0)
    })
  }

  /** Advances to the next schedule: the last decision with another option takes it. False when there is none. */
  #advance(): boolean {
    let last = this.#picks.length - 1
    while (last >= 0 && this.#picks[last]! + 1 >= this.#counts[last]!) last--
    if (last < 0) return false
    this.#picks = [...this.#picks.slice(0, last), this.#picks[last]! + 1]
    this.#counts = this.#counts.slice(0, last + 1)
    return true
  }

  /** Draws the next schedule: as many picks at random decisions as the bounds allow. */
  #draw(random: Random): void {
    const { preemptions, detours = 1, deaths = 0, stales = 0 } = this.#options
    this.#picks = new Array<number>(this.#decisionsMax).fill(0)
    this.#counts = []
    for (let i = preemptions + detours + deaths + stales; i > 0; i--)
      this.#picks[random.below(this.#decisionsMax)] = ANY | random.below(ANY)
  }

  /** Makes every unfinished thread leave its body. */
  #abort(): void {
    this.#control[At.isAborting] = 1
    this.#body.roles.forEach((_, thread) => {
      if (this.#turns.stateOf(thread) >= State.DONE) return
      this.#turns.give(thread)
      this.#awaitTurn()
    })
  }

  /** The operation that a dead thread left undone, and the word slept on until a slice ended; without numbers. */
  #sliceText(): string {
    const control = this.#control
    const { nameOf = String } = this.#body
    const plain = (at: number) => nameOf(at).replace(/ \d+|\[\d+\]/g, '')
    const death =
      control[At.died] === 0
        ? 'no thread died'
        : `no ${OPS[control[At.deathOp]!]!} of ${plain(control[At.deathAt]!)}`
    return `${death}: ${plain(control[At.sliceWord]!)}`
  }

  #textOf(outcome: number): string {
    const control = this.#control
    const { roles, nameOf = String } = this.#body
    if (outcome === Outcome.DEADLOCK) {
      const asleep = roles.flatMap(({ name }, i) => {
        const { at, value } = this.#turns.waitOf(i)
        return this.#turns.stateOf(i) === State.SLEEPING ? [`${name} sleeps on ${nameOf(at)} = 0x${value.toString(16)}, which is 0x${this.#words[at]!.toString(16)}`] : []
      }) // prettier-ignore
      return `no thread is ready: ${asleep.join('; ')}`
    }
    if (outcome === Outcome.ENDLESS) return 'the threads never end'
    const text = new Uint8Array(control.buffer, At.text * 4, control[At.textLength]).slice()
    return `${roles[control[At.outcomeThread]!]?.name ?? 'the explorer'}: ${new TextDecoder().decode(text)}`
  }

  #failure(kind: Failure['kind'], text: string): Failure {
    return { kind, text, schedule: formatPicks(this.#picks), log: this.log }
  }
}
