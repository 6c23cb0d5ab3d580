/**
 * The signals of a server. They are caught before anything is opened, so that no signal ends the process between a
 * socket's creation and the point where its removal is ensured.
 *
 * SIGHUP stops the server only if standard input is a terminal. Node resets ignored signals when it starts, so a
 * process can't see that `nohup` made SIGHUP ignored. But neither nohup nor a service manager leaves a terminal as
 * standard input, so in all other cases SIGHUP is ignored.
 *
 * A server with a file of exports reads it again on SIGHUP. At the end of a session the system takes the terminal away before it
 * sends the signal, so such a server stops only if its standard input was a terminal and is none any more.
 */
import { isatty } from 'node:tty'

export type StopSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP'

export const isOnTerminal = (): boolean => isatty(0)

export class Signals {
  /** Number of signals that asked for a stop. */
  count = 0
  readonly #listeners: (readonly [NodeJS.Signals, () => void])[]
  #stopped: (signal: StopSignal) => void = () => undefined
  #asked: () => void = () => undefined
  #reload: () => void
  #isReloadDue = false

  /** `isReloading`: whether SIGHUP asks for a reload. */
  constructor(isReloading: boolean) {
    const wasOnTerminal = isOnTerminal()
    this.#reload = () => (this.#isReloadDue = true)
    const stop = (signal: StopSignal) => () => {
      this.count++
      this.#stopped(signal)
    }
    this.#listeners = [
      ['SIGTERM', stop('SIGTERM')],
      ['SIGINT', stop('SIGINT')],
      [
        'SIGHUP',
        () => {
          if (isReloading && (isOnTerminal() || !wasOnTerminal)) this.#reload()
          else if (wasOnTerminal) stop('SIGHUP')()
        },
      ],
      ['SIGUSR2', () => this.#asked()],
    ]
    for (const [name, listener] of this.#listeners) process.on(name, listener)
  }

  /** From now on, `stopped` is called for each signal that asks for a stop, `asked` for SIGUSR2, and `reload` for a reload. */
  on(stopped: (signal: StopSignal) => void, asked: () => void, reload: () => void): void {
    this.#stopped = stopped
    this.#asked = asked
    this.#reload = reload
    if (this.#isReloadDue) reload()
  }

  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener)
  }
}
