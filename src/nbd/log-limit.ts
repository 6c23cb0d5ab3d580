/**
 * A rate limit for the log lines that clients can cause. Each kind of line has its own allowance: peers without an
 * export can't suppress lines about admitted clients, and clients can't suppress lines about disk failures. Suppressed
 * lines are counted, and the count is logged every few seconds.
 */
import { performance } from 'node:perf_hooks'
import { entry, type Log } from './log.js'
import type { LogEntry } from './messages.js'

/** Lines of one kind that may be logged at once, and per second on average. */
const BURST = 100
const PER_SECOND = 10
const REPORT_MS = 5000

type Kind = 'failure' | 'client' | 'stranger'

class Allowance {
  #lines = BURST
  #sinceMs = performance.now()

  take(): boolean {
    const nowMs = performance.now()
    this.#lines = Math.min(BURST, this.#lines + ((nowMs - this.#sinceMs) / 1000) * PER_SECOND)
    this.#sinceMs = nowMs
    if (this.#lines < 1) return false
    this.#lines--
    return true
  }
}

export class LogLimit {
  readonly #log: Log
  readonly #allowances: Readonly<Record<Kind, Allowance>> = {
    failure: new Allowance(),
    client: new Allowance(),
    stranger: new Allowance(),
  }
  #leftOut = 0
  #timer: NodeJS.Timeout | undefined

  constructor(log: Log) {
    this.#log = log
  }

  /** Logs a line about a connection, or counts it as suppressed. */
  pass(what: LogEntry): void {
    if (this.#allowances[kindOf(what)].take()) {
      this.#log(what)
      return
    }
    this.#leftOut++
    this.#timer ??= setTimeout(() => {
      this.report()
    }, REPORT_MS).unref()
  }

  /** Logs how many lines were suppressed since the last report. */
  report(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const leftOut = this.#leftOut
    this.#leftOut = 0
    if (leftOut === 0) return
    this.#log(
      entry('warn', 'left-out', `${leftOut} line(s) about connections were left out: too many at once`, {
        leftOut,
      }),
    )
  }
}

function kindOf({ level, fields }: LogEntry): Kind {
  if (level === 'error') return 'failure'
  return typeof fields['export'] === 'string' ? 'client' : 'stranger'
}
