/**
 * Abort signals: one listener per signal, for any number of waits. Many calls often share the signal of one task, and Node
 * warns at more than ten listeners. The listener is removed with the signal's last wait, so a long-lived signal keeps nothing
 * alive.
 */
const waits = new WeakMap<AbortSignal, Waits>()

/** The waits that a signal ends, in the order in which they began. */
interface Waits {
  readonly stops: Set<() => void>
  readonly listener: () => void
}

/**
 * Calls `stop` when the signal is aborted. Returns a function that cancels this. The caller must check first whether the
 * signal is aborted already. Cost: one access to a WeakMap and a Set at the start and at the end of a wait.
 */
export function onAbort(signal: AbortSignal, stop: () => void): () => void {
  const known = waits.get(signal) ?? listen(signal)
  known.stops.add(stop)
  return () => {
    known.stops.delete(stop)
    if (known.stops.size > 0 || waits.get(signal) !== known) return
    waits.delete(signal)
    signal.removeEventListener('abort', known.listener)
  }
}

function listen(signal: AbortSignal): Waits {
  const stops = new Set<() => void>()
  const listener = () => {
    waits.delete(signal)
    for (const stop of stops) stop()
  }
  const made = { stops, listener }
  waits.set(signal, made)
  signal.addEventListener('abort', listener, { once: true })
  return made
}
