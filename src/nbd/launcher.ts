/**
 * The launcher. It binds the listening sockets, starts the engine process with several copies of their descriptors,
 * forwards signals, and waits. Each worker needs its own copy, because a worker that dies closes its descriptors. Node
 * can't duplicate a descriptor, but a child process gets a copy for each entry in `stdio`.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { closeListeners, type Listening, openListeners } from './listeners.js'
import type { Listener } from '../net/listening.js'
import { entry, type Log } from './log.js'
import type { EngineSettings, FromEngine, ToEngine } from './messages.js'
import { printable } from './printable.js'
import { isOnTerminal, Signals } from './signals.js'
import type { Sink } from './sink.js'

/** Copies of each socket for the replacements of dead workers. */
const SPARES = 64
/** After the descriptors 0, 1, 2 and the channel between the two processes. */
const FIRST_COPY = 4
const EXIT_KILLED = 1

export type LaunchSettings = Omit<EngineSettings, 'descriptors' | 'endsAtHangup'>

/**
 * Serves until a stop is requested. Resolves to the exit code. @throws with a message for the user if it can't start
 */
export async function launch(
  settings: LaunchSettings,
  where: Listening,
  log: Log,
  sink: Sink,
): Promise<number> {
  using signals = new Signals(settings.exportsFile !== undefined)
  const listeners = await openListeners(where)
  try {
    return signals.count > 0 ? 0 : await run(settings, listeners, signals, log, sink)
  } finally {
    await closeListeners(listeners)
  }
}

function run(
  settings: LaunchSettings,
  listeners: readonly Listener[],
  signals: Signals,
  log: Log,
  sink: Sink,
): Promise<number> {
  const generations = settings.threads + SPARES
  const copies = Array.from({ length: generations }, () =>
    listeners.map(({ descriptor }) => descriptor),
  ).flat()
  const descriptors = Array.from({ length: generations }, (_, generation) =>
    listeners.map((_, i) => FIRST_COPY + generation * listeners.length + i),
  )
  const { LISTEN_PID: _pid, LISTEN_FDS: _fds, LISTEN_FDNAMES: _names, ...env } = process.env
  const engine = spawn(process.execPath, [fileURLToPath(new URL('./engine.js', import.meta.url))], {
    // A process group of its own: Ctrl-C reaches only the launcher, which counts the signals.
    detached: true,
    // The engine's log lines go through this process: inheriting stderr would make it blocking, and a slow reader would
    // then stall the server.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc', ...copies],
    // The threads of libuv's pool read blocks that are not cached.
    env: { UV_THREADPOOL_SIZE: String(4 + 4 * settings.threads), ...env },
  })
  for (const listener of listeners) listener.release()
  createInterface({ input: engine.stderr! }).on('line', (line) => sink.line(printable(line)))
  /** Does nothing if the engine is gone; the `close` event handles that. */
  const tell = (message: ToEngine) => {
    if (engine.connected) engine.send(message, () => undefined)
  }
  // Not on the command line, where an argument is limited to 128 KiB.
  const endsAtHangup = isOnTerminal() && settings.exportsFile === undefined
  tell({ ...settings, descriptors, endsAtHangup })
  signals.on(
    (signal) => {
      if (signals.count === 1) {
        tell('stop')
        return
      }
      log(entry('warn', 'leaving', `${signal} again: exiting at once, without a flush`))
      engine.kill('SIGKILL')
    },
    () => tell('holders'),
    () => tell('reload'),
  )
  return new Promise((resolve, reject) => {
    let refusal: Error | undefined
    engine.on('message', (message: FromEngine) => {
      if (message.kind === 'refused') {
        refusal = new Error(message.message)
        return
      }
      try {
        for (const listener of listeners) listener.publish()
      } catch (error) {
        refusal = error as Error
        tell('stop')
        return
      }
      const names = settings.exports.map(({ name }) => `'${name}'`).join(', ') || 'no export yet'
      const places = listeners.map(({ name }) => name).join(' and ')
      log(entry('info', 'ready', `serving ${names} on ${places}`, { pid: engine.pid ?? 0 }))
    })
    engine.once('error', (error) => {
      reject(new Error(`the engine process can't be started: ${error.message}`, { cause: error }))
    })
    // Not 'exit', which may come before the last log lines.
    engine.once('close', (code, signal) => {
      if (signal !== null && signals.count < 2)
        log(entry('error', 'ended', `the engine process was killed by ${signal}`))
      if (refusal !== undefined) reject(refusal)
      else resolve(signal === null ? (code ?? EXIT_KILLED) : EXIT_KILLED)
    })
  })
}
