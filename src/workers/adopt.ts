/**
 * Ends of workers, as Node tells them: 'exit' of a Worker, in the thread that created it and nowhere else. So every thread
 * that imports dcache listens to the workers that it creates from then on (piscina's too), and to those it is given.
 */
import type { Worker } from 'node:worker_threads'

const watched = new WeakSet<Worker>()
let tell: ((threadId: number) => void) | undefined

/** Calls `ended` after each end of a worker that this thread creates from now on, or is given by `watchWorker`. Once. */
export function watchWorkers(ended: (threadId: number) => void): void {
  tell = ended
  process.on('worker', watchWorker)
}

/** A worker that ended already is not heard of any more. */
export function watchWorker(worker: Worker): void {
  if (watched.has(worker)) return
  watched.add(worker)
  const { threadId } = worker // -1 once it has ended
  worker.once('exit', () => tell?.(threadId))
}
