/**
 * Breadth-first search through every state of a scenario. States already seen are kept as 64-bit hashes, so that "all
 * states" means up to a collision; only states whose steps are still to be taken are stored in full. The way to a state is
 * kept as its predecessor and the number of the step, and is replayed to print it.
 */
import { clientSteps } from './client.js'
import { environmentSteps } from './environment.js'
import { checkEnd, checkState } from './invariants.js'
import type { Mistake } from './mistakes.js'
import { Model, nameOf } from './model.js'
import { reaperSteps } from './reaper.js'
import { flushWorkerSteps } from './round.js'
import type { Scenario } from './scenarios.js'
import { CLIENTS, PARTITIONS, type State } from './state.js'
import { writerSteps } from './writer.js'

export interface Outcome {
  readonly states: number
  /** The number of states without a next one. */
  readonly ends: number
  /** Whether there were more states than the maximum. */
  readonly isCutOff: boolean
  /** The first error, and the shortest way to it. */
  readonly problem: string | undefined
  readonly trace: readonly string[]
}

const CHUNK = 1 << 12

export function explore(scenario: Scenario, mistake: Mistake | 'none', statesMax: number): Outcome {
  const seen = new HashSet()
  const ways = new Ways()
  let ends = 0
  let ordinal = 0
  let from = -1
  const model: Model = new Model(scenario, mistake, () => {
    const step = ordinal++
    if (problemAt >= 0) return
    checkState(model)
    // A step may be wrong even if it leads to a known state.
    if (!seen.add(model.next) && model.problem === undefined) return
    frontier.push(model.next)
    const at = ways.add(from, step)
    if (model.problem !== undefined) problemAt = at
  })
  let problemAt = -1
  const frontier = new Queue(model.now.length)
  seen.add(model.now)
  frontier.push(model.now)
  ways.add(-1, 0)
  while (problemAt < 0 && ways.count <= statesMax && frontier.shift(model.now)) {
    from++
    ordinal = 0
    takeSteps(model)
    if (ordinal > 0) continue
    ends++
    checkEnd(model)
    if (model.problem !== undefined) problemAt = from
  }
  const { problem } = model
  return {
    states: ways.count,
    ends,
    isCutOff: problem === undefined && ways.count > statesMax,
    problem,
    trace: problem === undefined ? [] : tell(scenario, mistake, ways.to(problemAt)),
  }
}

function takeSteps(m: Model): void {
  for (let client = 0; client < CLIENTS; client++) clientSteps(m, client)
  flushWorkerSteps(m)
  for (let partition = 0; partition < PARTITIONS; partition++) writerSteps(m, partition)
  reaperSteps(m)
  environmentSteps(m)
}

/** Replays the way and describes its steps. */
function tell(scenario: Scenario, mistake: Mistake | 'none', way: readonly number[]): string[] {
  const told: string[] = []
  let left = 0
  const reached: State[] = []
  const model: Model = new Model(scenario, mistake, (actor, what, block) => {
    if (left-- !== 0) return
    reached.push(model.next.slice())
    told.push(`${nameOf(actor)}: ${what}${block < 0 ? '' : ` [block ${block}]`}`)
  })
  for (const step of way) {
    left = step
    takeSteps(model)
    model.now.set(reached.at(-1)!)
  }
  return told
}

/** A queue of states. */
export class Queue {
  readonly #size: number
  readonly #chunks: State[] = []
  #first = 0
  #last = 0

  constructor(size: number) {
    this.#size = size
  }

  push(state: State): void {
    const place = this.#last % CHUNK
    if (place === 0) this.#chunks.push(new Uint8Array(CHUNK * this.#size))
    this.#chunks.at(-1)!.set(state, place * this.#size)
    this.#last++
  }

  /** False when there is none left. */
  shift(target: State): boolean {
    if (this.#first === this.#last) return false
    const place = this.#first % CHUNK
    target.set(this.#chunks[0]!.subarray(place * this.#size, (place + 1) * this.#size))
    this.#first++
    if (place === CHUNK - 1) this.#chunks.shift()
    return true
  }
}

/** The predecessor of each state, and the number of the step that reached it first. */
export class Ways {
  #from = new Int32Array(1 << 16)
  #step = new Uint8Array(1 << 16)
  count = 0

  add(from: number, step: number): number {
    if (step > 255) throw new Error('a state has more than 256 steps')
    if (this.count === this.#from.length) {
      this.#from = grown(this.#from, new Int32Array(this.count * 2))
      this.#step = grown(this.#step, new Uint8Array(this.count * 2))
    }
    this.#from[this.count] = from
    this.#step[this.count] = step
    return this.count++
  }

  to(state: number): number[] {
    const way: number[] = []
    for (let at = state; at > 0; at = this.#from[at]!) way.unshift(this.#step[at]!)
    return way
  }
}

function grown<A extends Int32Array | Uint8Array>(old: A, bigger: A): A {
  bigger.set(old)
  return bigger
}

/** A set of 64-bit hashes, in two halves, with open addressing. */
export class HashSet {
  #low = new Int32Array(1 << 16)
  #high = new Int32Array(1 << 16)
  #count = 0

  /** Adds a hash; false if it was there already. */
  add(state: State): boolean {
    let low = 0x811c9dc5
    let high = 0x1234567
    const words = new Int32Array(state.buffer)
    for (let i = 0; i < words.length; i++) {
      low = Math.imul(low ^ words[i]!, 0x01000193)
      low ^= low >>> 15
      high = Math.imul(high + words[i]!, 0x9e3779b1)
      high ^= high >>> 13
    }
    low = Math.imul(low ^ (low >>> 16), 0x85ebca6b)
    low ^= low >>> 13
    if (low === 0 && high === 0) low = 1
    if (!this.#insert(low, high)) return false
    if (++this.#count * 2 > this.#low.length) this.#grow()
    return true
  }

  #insert(low: number, high: number): boolean {
    const mask = this.#low.length - 1
    let at = low & mask
    while (this.#low[at] !== 0 || this.#high[at] !== 0) {
      if (this.#low[at] === low && this.#high[at] === high) return false
      at = (at + 1) & mask
    }
    this.#low[at] = low
    this.#high[at] = high
    return true
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high]
    this.#low = new Int32Array(low.length * 2)
    this.#high = new Int32Array(low.length * 2)
    for (let i = 0; i < low.length; i++) if (low[i] !== 0 || high[i] !== 0) this.#insert(low[i]!, high[i]!)
  }
}
