// A terminal for tests: a shell in tmux, with a server of its own. Its screen is read as text.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PATIENCE_MS } from './open.js'
import { tempFolder } from './temp.js'

const run = promisify(execFile)

export interface Tmux extends AsyncDisposable {
  /** For files of the test. */
  readonly folder: string
  /** Types text and ends it with Enter. */
  line(text: string): Promise<void>
  /** Presses keys, by tmux's names of them. */
  press(...keys: string[]): Promise<void>
  /** What is on the screen, without the blanks at the end of lines. */
  screen(): Promise<string>
  /** Waits until the screen matches, and returns it. */
  until(pattern: RegExp): Promise<string>
  resize(columns: number, rows: number): Promise<void>
  /** A format of tmux, such as `#{alternate_on}`. */
  tell(format: string): Promise<string>
}

/** Ends by itself if the test is killed. */
const LIFE_SECONDS = 600

export async function openTmux(columns: number, rows: number, env: NodeJS.ProcessEnv = {}): Promise<Tmux> {
  const folder = tempFolder()
  const server = ['-S', join(folder.path, 'tmux'), '-f', '/dev/null']
  const tmux = async (...args: string[]) =>
    (await run('tmux', [...server, ...args], { env: environment })).stdout
  const environment = { ...process.env, PS1: '$ ', ENV: '', LC_ALL: 'C.UTF-8', ...env }
  await tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), `exec timeout --foreground ${LIFE_SECONDS} sh -i`) // prettier-ignore
  const screen = async () => (await tmux('capture-pane', '-p')).replaceAll(/ +$/gm, '')
  const until = async (pattern: RegExp): Promise<string> => {
    const endMs = Date.now() + PATIENCE_MS
    for (;;) {
      const text = await screen()
      if (pattern.test(text)) return text
      if (Date.now() > endMs) throw new Error(`waited in vain for ${String(pattern)} on the screen\n${text}`)
      await pause(50)
    }
  }
  // What is typed before the prompt is there would be in front of it, and the output behind it.
  await until(/^[$#]$/m)
  return {
    folder: folder.path,
    line: async (text) => {
      await tmux('send-keys', '-l', text)
      await tmux('send-keys', 'Enter')
    },
    press: async (...keys) => {
      for (const key of keys) await tmux('send-keys', key)
    },
    screen,
    until,
    resize: async (columns, rows) => {
      await tmux('resize-window', '-x', String(columns), '-y', String(rows))
    },
    tell: async (format) => (await tmux('display-message', '-p', format)).trim(),
    async [Symbol.asyncDispose]() {
      await tmux('kill-server').catch(() => undefined)
      folder[Symbol.dispose]()
    },
  }
}
