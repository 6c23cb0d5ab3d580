/**
 * Schedules the long requests of a thread's connections in slices. Each turn of the event loop starts as many slices as
 * make up one full slice, so that the thread serves its other connections in between. Connections with work take turns
 * (round-robin). The number of slices in progress is limited for each connection and for the thread.
 */

/** Limits of slices in progress. Their guards come in addition to those of the gate. */
const OF_A_LANE = 4
const OF_A_THREAD = 16

/** One connection's queue of slices. */
export interface Lane {
  /** Runs a slice when it is its turn. `share` is its size as a share of a full slice. @throws the error of `close` */
  run(work: () => Promise<void> | void, share: number): Promise<void>
  /** Starts no further slices: waiting and future ones fail with this error. */
  close(error: Error): void
}

interface Waiting {
  readonly share: number
  readonly begin: () => void
  readonly refuse: (error: Error) => void
}

export class Turns {
  /** Lanes with waiting slices, in the order of their turns. */
  readonly #rota: OwnLane[] = []
  #running = 0
  #isScheduled = false

  lane(): Lane {
    return new OwnLane(this)
  }

  /** Adds a lane that has work. */
  add(lane: OwnLane): void {
    if (!this.#rota.includes(lane)) this.#rota.push(lane)
    this.#schedule()
  }

  remove(lane: OwnLane): void {
    const at = this.#rota.indexOf(lane)
    if (at >= 0) this.#rota.splice(at, 1)
  }

  ended(): void {
    this.#running--
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#rota.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    for (let share = 0; share < 1 && this.#running < OF_A_THREAD;) {
      const at = this.#rota.findIndex((lane) => lane.running < OF_A_LANE)
      if (at < 0) return // a slice that ends schedules the next turn
      const [lane] = this.#rota.splice(at, 1)
      this.#running++
      share += lane!.begin()
      if (lane!.hasWork) this.#rota.push(lane!)
    }
    if (this.#running < OF_A_THREAD) this.#schedule()
  }
}

class OwnLane implements Lane {
  running = 0
  readonly #turns: Turns
  readonly #waiting: Waiting[] = []
  #error: Error | undefined

  constructor(turns: Turns) {
    this.#turns = turns
  }

  get hasWork(): boolean {
    return this.#waiting.length > 0
  }

  async run(work: () => Promise<void> | void, share: number): Promise<void> {
    if (this.#error !== undefined) throw this.#error
    await new Promise<void>((begin, refuse) => {
      this.#waiting.push({ share, begin, refuse })
      this.#turns.add(this)
    })
    try {
      await work()
    } finally {
      this.running--
      this.#turns.ended()
    }
  }

  close(error: Error): void {
    this.#error = error
    this.#turns.remove(this)
    for (const { refuse } of this.#waiting.splice(0)) refuse(error)
  }

  /** Starts the next slice. Returns its share. */
  begin(): number {
    const { share, begin } = this.#waiting.shift()!
    this.running++
    begin()
    return share
  }
}
