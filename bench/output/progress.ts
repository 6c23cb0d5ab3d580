/**
 * The progress of a run of several suites: which suite it is at, and about how long the rest will take. A suite states how long
 * it took in the run of README. The suites that are finished show how this run compares with that.
 */
import { performance } from 'node:perf_hooks'

export interface Paced {
  readonly name: string
  /** Duration with the default options, in the run that README quotes. */
  readonly seconds: number
}

const MINUTE = 60

export class Progress {
  readonly #suites: readonly Paced[]
  readonly #isUsual: boolean
  readonly #now: () => number
  #at = -1
  #beganAt = 0
  #spent = 0
  #expected = 0

  /** `isUsual`: the options are the default ones; otherwise no time is known. `now` returns milliseconds. */
  constructor(suites: readonly Paced[], isUsual: boolean, now = () => performance.now()) {
    this.#isUsual = isUsual
    this.#suites = suites
    this.#now = now
  }

  /** The next suite begins; the former one is finished. */
  begin(): void {
    if (this.#at >= 0) {
      this.#spent += this.#elapsed()
      this.#expected += this.#suites[this.#at]!.seconds
    }
    this.#at++
    this.#beganAt = this.#now()
  }

  /** A line of progress of the suite, with the time that is left for all of them. */
  line(text: string): string {
    const place = `${this.#at + 1}/${this.#suites.length}`
    return this.#isUsual ? `[${place}, ${this.#left()}] ${text}` : `[${place}] ${text}`
  }

  #elapsed(): number {
    return (this.#now() - this.#beganAt) / 1000
  }

  #left(): string {
    const pace = this.#expected > 0 ? this.#spent / this.#expected : 1
    const own = Math.max(0, this.#suites[this.#at]!.seconds * pace - this.#elapsed())
    const others = this.#suites.slice(this.#at + 1).reduce((sum, { seconds }) => sum + seconds * pace, 0)
    const minutes = Math.ceil((own + others) / MINUTE)
    return minutes <= 1 ? 'less than a minute left' : `about ${minutes} min left`
  }
}
