/**
 * The terminal while `dcache top` runs: its other screen, without a cursor, and keys one by one. Whatever ends or suspends the
 * process, the terminal is restored:
 *
 *   entered -- Ctrl-Z, SIGTSTP --> left, stopped -- SIGCONT --> entered
 *   entered -- dispose, SIGTERM, SIGHUP, SIGQUIT, an error, exit --> left
 *
 * Only SIGKILL leaves it as it is.
 */
import { emitKeypressEvents } from 'node:readline'
import type { ReadStream, WriteStream } from 'node:tty'
import { columnsIn } from './terminal.js'
import type { Key } from './top-view.js'

const ALTERNATE = '\x1b[?1049h'
const MAIN = '\x1b[?1049l'
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
/** So that a line whose width the terminal sees differently does not push the others down. */
const NO_WRAP = '\x1b[?7l'
const WRAP = '\x1b[?7h'
const HOME = '\x1b[H'
const ERASE_TO_END_OF_LINE = '\x1b[K'
const ERASE_BELOW = '\x1b[J'

/** These end the process as they do without a handler, after the terminal is restored. */
const DEADLY = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

export interface TerminalEvents {
  readonly key: (key: Key) => void
  /** The size has changed, or the process continues: draw again. */
  readonly stale: () => void
  /** SIGINT from another process, or the terminal is gone. */
  readonly interrupted: () => void
}

export class Terminal implements Disposable {
  readonly #stdin: ReadStream
  readonly #stdout: WriteStream
  readonly #events: TerminalEvents
  #isEntered = false

  constructor(stdin: ReadStream, stdout: WriteStream, events: TerminalEvents) {
    this.#stdin = stdin
    this.#stdout = stdout
    this.#events = events
    stdout.on('resize', this.#events.stale)
    for (const name of DEADLY) process.on(name, this.#die)
    process.on('SIGINT', this.#events.interrupted)
    process.on('SIGTSTP', this.#stop)
    process.on('SIGCONT', this.#continue)
    process.on('exit', this.#leave)
    // Before the error is printed, which the other screen would hide.
    process.on('uncaughtExceptionMonitor', this.#leave)
    if (stdin.isTTY) {
      emitKeypressEvents(stdin)
      stdin.on('keypress', this.#press)
      stdin.on('end', this.#events.interrupted)
      stdin.on('error', this.#events.interrupted)
    }
    this.#enter()
  }

  /** Rewrites the screen in one write: each line is followed by an erasure of its rest, so that nothing flickers. */
  draw(lines: readonly string[], columns: number): void {
    if (!this.#isEntered) return
    // Behind the last column the erasure would take that column.
    const text = lines
      .map((line) => (columnsIn(line) < columns ? line + ERASE_TO_END_OF_LINE : line))
      .join('\r\n')
    this.#stdout.write(HOME + text + (lines.length < this.#stdout.rows ? `\r\n${ERASE_BELOW}` : ''))
  }

  /** Gives the terminal back, stops, and after SIGCONT takes it again; as Ctrl-Z does without raw mode. */
  suspend(): void {
    this.#leave()
    process.off('SIGTSTP', this.#stop)
    // The whole job: `npx` has to stop with it.
    process.kill(0, 'SIGTSTP')
  }

  [Symbol.dispose](): void {
    this.#leave()
    this.#stdout.off('resize', this.#events.stale)
    for (const name of DEADLY) process.off(name, this.#die)
    process.off('SIGINT', this.#events.interrupted)
    process.off('SIGTSTP', this.#stop)
    process.off('SIGCONT', this.#continue)
    process.off('exit', this.#leave)
    process.off('uncaughtExceptionMonitor', this.#leave)
    this.#stdin.off('keypress', this.#press)
    this.#stdin.off('end', this.#events.interrupted)
    this.#stdin.off('error', this.#events.interrupted)
  }

  #enter(): void {
    if (this.#isEntered) return
    this.#isEntered = true
    if (this.#stdin.isTTY) {
      this.#stdin.setRawMode(true)
      this.#stdin.resume()
    }
    this.#stdout.write(ALTERNATE + HIDE_CURSOR + NO_WRAP)
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return
    this.#isEntered = false
    this.#stdout.write(WRAP + SHOW_CURSOR + MAIN)
    if (this.#stdin.isTTY) {
      this.#stdin.setRawMode(false)
      this.#stdin.pause()
    }
  }

  readonly #press = (_: string | undefined, key: Key): void => this.#events.key(key)

  readonly #die = (signal: NodeJS.Signals): void => {
    this.#leave()
    process.off(signal, this.#die)
    process.kill(process.pid, signal)
  }

  /** SIGTSTP from another process. */
  readonly #stop = (): void => {
    this.#leave()
    process.off('SIGTSTP', this.#stop)
    process.kill(process.pid, 'SIGTSTP')
  }

  readonly #continue = (): void => {
    // After SIGSTOP too, when the shell has set the terminal to its own modes.
    this.#leave()
    process.off('SIGTSTP', this.#stop)
    process.on('SIGTSTP', this.#stop)
    this.#enter()
    this.#events.stale()
  }
}
