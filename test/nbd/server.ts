// `dcache serve` as a child process: `startServer` waits until it is ready, keeps its log, and ends it with the scope.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from '../support/project.js'

export const COMMAND = join(projectRoot, 'dist/cli/main.js')
const READY_MS = 60_000

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly message: string
  readonly [field: string]: unknown
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class Server implements AsyncDisposable {
  readonly log: LogLine[] = []
  readonly exit: Promise<Exit>
  /** The id of the engine process. */
  enginePid = 0
  /** The output that is no line of the log. */
  text = ''
  /** All output. */
  raw = ''
  readonly #child: ChildProcess
  #isOver = false

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [COMMAND, 'serve', '--json', ...args], {
      stdio: ['ignore', 'inherit', 'pipe'],
      env: { ...process.env, ...env },
    })
    let rest = ''
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.raw += chunk.toString()
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (line.startsWith('{')) this.log.push(JSON.parse(line) as LogLine)
        else this.text += `${line}\n`
      }
    })
    this.exit = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#isOver = true
        resolve({ code, signal })
      })
    })
  }

  /** Resolves when the server is ready. */
  static async start(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Server> {
    const server = new Server(args, env)
    const ready = await server.said('ready')
    server.enginePid = ready['pid'] as number
    return server
  }

  /** Waits for the first line about an event, from line `from` of the log on. */
  async said(event: string, from = 0): Promise<LogLine> {
    const endMs = performance.now() + READY_MS
    for (;;) {
      const found = this.log.slice(from).find((line) => line.event === event)
      if (found) return found
      if (this.#isOver || performance.now() > endMs)
        throw new Error(`the server never logged '${event}': ${this.text}${JSON.stringify(this.log)}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  get pid(): number {
    return this.#child.pid!
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Kills both processes at once, as a power cut would. */
  async kill(): Promise<void> {
    process.kill(this.enginePid, 'SIGKILL')
    this.#child.kill('SIGKILL')
    await this.exit
    while (existsSync(`/proc/${this.enginePid}/cmdline`))
      await new Promise((resolve) => setTimeout(resolve, 5))
  }

  /** In order. */
  async stop(): Promise<Exit> {
    this.#child.kill('SIGTERM')
    return this.exit
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => {
      this.#child.kill('SIGKILL')
    }, 30_000)
    await this.exit
    clearTimeout(late)
  }
}
