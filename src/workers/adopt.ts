/**
 * Ends of workers, as Node reports them: 'exit' of a Worker, only in the thread that created it. So every thread that imports
 * dcache listens to the workers that it creates from then on (piscina's too), and to those passed to `watchWorker`.
 */
import type { Worker } from 'node:worker_threads'

const watched = new WeakSet<Worker>()
let tell: ((threadId: number) => void) | undefined

/**
 * Calls `ended` whenever a worker ends that this thread creates from now on, or passes to `watchWorker`. To be called once.
 */
export function watchWorkers(ended: (threadId: number) => void): void {
  tell = ended
  process.on('worker', watchWorker)
}

/** Watches a worker. If it has ended already, nothing is reported. */
export function watchWorker(worker: Worker): void {
  if (watched.has(worker)) return
  watched.add(worker)
  const { threadId } = worker // -1 once it has ended
  worker.once('exit', () => tell?.(threadId))
}
