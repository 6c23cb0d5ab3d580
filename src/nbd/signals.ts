/**
 * The signals of a server. They are caught before anything is opened, so that no signal ends the process between a
 * socket's creation and the point where its removal is ensured.
 *
 * SIGHUP stops the server only if standard input is a terminal. Node resets ignored signals when it starts, so a
 * process can't see that `nohup` made SIGHUP ignored. But neither nohup nor a service manager leaves a terminal as
 * standard input, so in all other cases SIGHUP is ignored.
 */
import { isatty } from 'node:tty'

export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export const endsAtHangup = (): boolean => isatty(0)

export class Signals {
  /** Number of signals that asked for a stop. */
  count = 0
  readonly #listeners: (readonly [NodeJS.Signals, () => void])[]
  #stopped: (signal: StopSignal) => void = () => undefined
  #asked: () => void = () => undefined

  constructor(isHangupAnEnd: boolean) {
    const stop = (signal: StopSignal) => () => {
      this.count++
      this.#stopped(signal)
    }
    this.#listeners = [
      ['SIGTERM', stop('SIGTERM')],
      ['SIGINT', stop('SIGINT')],
      ['SIGHUP', isHangupAnEnd ? stop('SIGHUP') : () => undefined],
      ['SIGUSR2', () => this.#asked()],
    ]
    for (const [name, listener] of this.#listeners) process.on(name, listener)
  }

  /** From now on, `stopped` is called for each signal that asks for a stop, and `asked` for SIGUSR2. */
  on(stopped: (signal: StopSignal) => void, asked: () => void): void {
    this.#stopped = stopped
    this.#asked = asked
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener)
  }
}
