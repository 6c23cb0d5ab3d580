/**
 * Handles Ctrl-C for a command: the first one requests an orderly stop through an AbortSignal, the second one exits at
 * once.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export const EXIT_INTERRUPTED = 130

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
}

/** Catches signals until it is disposed. Calls `asked` at the first one. */
export function catchInterrupts(asked: () => void): Interrupt {
  const controller = new AbortController()
  const listener = () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED)
    controller.abort()
    asked()
  }
  for (const name of SIGNALS) process.on(name, listener)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, listener)
    },
  }
}
