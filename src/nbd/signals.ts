/**
 * The signals that a server is told by. They are caught before anything is opened, so that none ends the process between
 * a socket's creation and the promise to remove it.
 *
 * A hangup counts only where standard input is a terminal. Node resets ignored signals when it starts, so a process can't
 * see that `nohup` had SIGHUP ignored; but nohup never leaves a terminal as standard input, and neither does a service
 * manager. Everywhere else SIGHUP is ignored, as nohup wants it.
 */
import { isatty } from 'node:tty'

export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export const endsAtHangup = (): boolean => isatty(0)

export class Signals {
  /** How many have asked for the end. */
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

  /** `stopped` is called for each signal that asks for the end, `asked` for SIGUSR2, from now on. */
  on(stopped: (signal: StopSignal) => void, asked: () => void): void {
    this.#stopped = stopped
    this.#asked = asked
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener)
  }
}
