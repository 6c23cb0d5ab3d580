/**
 * Threads that end: the owner hears of every Worker that its thread creates (process 'worker' event, piscina's
 * too) and of those it is given, and looks after their slots when they exit. A thread is dead at its 'exit', never
 * earlier: reads that it started land in shared memory until then.
 */
import { compareExchange, load, store } from '#atomics'
import type { Worker } from 'node:worker_threads'
import type { Core } from '../core/core.js'
import type { CacheEvents } from '../shared/interface.js'
import { Slot, SlotState } from '../shared/layout.js'

export interface Adoption {
  adopt(worker: Worker): void
  /** No more workers are looked after. */
  end(): void
}

export function adoptWorkers(core: Core, died: (info: CacheEvents['workerDied']) => void): Adoption {
  const adopted = new WeakSet<Worker>()
  let isEnded = false
  const adopt = (worker: Worker) => {
    if (adopted.has(worker)) return
    adopted.add(worker)
    const { threadId } = worker // -1 once it has ended
    worker.once('exit', () => {
      if (!isEnded) for (const slot of slotsOf(core, threadId)) bury(core, slot, threadId, died)
    })
  }
  process.on('worker', adopt)
  return {
    adopt,
    end: () => {
      isEnded = true
      process.off('worker', adopt)
    },
  }
}

function slotsOf({ words, arena }: Core, threadId: number): number[] {
  return Array.from({ length: arena.geometry.slots }, (_, slot) => slot).filter((slot) => {
    const at = arena.slotAt(slot)
    return load(words, at + Slot.state) === SlotState.LIVE && words[at + Slot.threadId] === threadId
  })
}

/** A dead thread that held nothing gives its slot back; one that did keeps it, so that errors can name it. */
function bury(
  { words, arena }: Core,
  slot: number,
  threadId: number,
  died: (info: CacheEvents['workerDied']) => void,
): void {
  const at = arena.slotAt(slot)
  if (compareExchange(words, at + Slot.state, SlotState.LIVE, SlotState.DEAD) !== SlotState.LIVE) return
  if (words[at + Slot.guards] === 0) {
    store(words, at + Slot.inIo, 0)
    store(words, at + Slot.waitsFor, 0)
    store(words, at + Slot.state, SlotState.FREE)
  }
  died({ threadId, slot })
}
