/**
 * The launcher: binds, starts the engine process with the listening descriptors many times over, forwards signals, and
 * waits. A listening descriptor must have one user (a worker that dies closes its number for all), Node can't duplicate
 * one, and a child process gets as many copies as it has entries in `stdio`.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Listener, type Listening, openListeners } from './listeners.js'
import { entry, type Log } from './log.js'
import type { EngineSettings, FromEngine, ToEngine } from './messages.js'

/** Copies of each socket for workers that take the place of dead ones. */
const SPARES = 64
/** 0, 1, 2, and the channel between the two processes. */
const FIRST_COPY = 4
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
const EXIT_KILLED = 1

export type LaunchSettings = Omit<EngineSettings, 'descriptors'>

/** Serves until it is told to stop; says the exit code. @throws with a message for the user if it could not begin */
export async function launch(settings: LaunchSettings, where: Listening, log: Log): Promise<number> {
  const listeners = await openListeners(where)
  try {
    return await run(settings, listeners, log)
  } finally {
    for (const listener of listeners) {
      listener.release()
      listener.remove()
    }
  }
}

function run(settings: LaunchSettings, listeners: readonly Listener[], log: Log): Promise<number> {
  const generations = settings.threads + SPARES
  const copies = Array.from({ length: generations }, () =>
    listeners.map(({ descriptor }) => descriptor),
  ).flat()
  const descriptors = Array.from({ length: generations }, (_, generation) =>
    listeners.map((_, i) => FIRST_COPY + generation * listeners.length + i),
  )
  const engineSettings: EngineSettings = { ...settings, descriptors }
  const { LISTEN_PID: _pid, LISTEN_FDS: _fds, LISTEN_FDNAMES: _names, ...env } = process.env
  const engine = spawn(
    process.execPath,
    [fileURLToPath(new URL('./engine.js', import.meta.url)), JSON.stringify(engineSettings)],
    {
      // A group of its own: Ctrl-C reaches the launcher only, which counts.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...copies],
      // Cold blocks are read by these threads.
      env: { UV_THREADPOOL_SIZE: String(4 + 4 * settings.threads), ...env },
    },
  )
  for (const listener of listeners) listener.release()
  let signals = 0
  const forward = (signal: string) => {
    const message: ToEngine = ++signals === 1 ? 'stop' : 'leave'
    if (message === 'leave')
      log(entry('warn', 'leaving', `${signal} again: leaving at once, without a flush`))
    if (engine.connected) engine.send(message)
    if (signals > 1) engine.kill('SIGKILL')
  }
  const askHolders = () => {
    const message: ToEngine = 'holders'
    if (engine.connected) engine.send(message)
  }
  for (const name of SIGNALS) process.on(name, forward)
  process.on('SIGUSR2', askHolders)
  return new Promise((resolve, reject) => {
    let refusal: string | undefined
    engine.on('message', (message: FromEngine) => {
      if (message.kind === 'refused') {
        refusal = message.message
        return
      }
      for (const listener of listeners) listener.publish()
      const names = settings.exports.map(({ name }) => `'${name}'`).join(', ')
      const places = listeners.map(({ name }) => name).join(' and ')
      log(entry('info', 'ready', `serving ${names} on ${places}`, { pid: engine.pid ?? 0 }))
    })
    engine.once('error', reject)
    engine.once('exit', (code, signal) => {
      for (const name of SIGNALS) process.off(name, forward)
      process.off('SIGUSR2', askHolders)
      if (refusal !== undefined) reject(new Error(refusal))
      else resolve(signal === null ? (code ?? EXIT_KILLED) : EXIT_KILLED)
      if (signal !== null && signals < 2)
        log(entry('error', 'ended', `the engine process was ended by ${signal}`))
    })
  })
}
