/**
 * Threads that end: the owner hears of every Worker that its thread creates (process 'worker' event, piscina's
 * too) and of those it is given, and looks after their slots when they exit. A thread is dead at its 'exit', never
 * earlier: reads that it started land in shared memory until then.
 */
import { compareExchange, load } from '#atomics'
import type { Worker } from 'node:worker_threads'
import { ringBell } from '../core/bell.js'
import type { Core } from '../core/core.js'
import type { CacheEvents } from '../shared/interface.js'
import { firstClientSlot, FLUSH_SLOT } from './attach.js'
import { Slot, SlotState } from '../shared/words.js'

export interface Adoption {
  adopt(worker: Worker): void
  /** No more workers are looked after. */
  end(): void
}

// One listener on the process, and one on each worker, however many caches are open.
const adoptions = new Set<(worker: Worker) => void>()
const adoptByAll = (worker: Worker): void => {
  for (const adopt of adoptions) adopt(worker)
}
const endings = new WeakMap<Worker, (() => void)[]>()
function atExit(worker: Worker, ending: () => void): void {
  const known = endings.get(worker)
  if (known !== undefined) {
    known.push(ending)
    return
  }
  const all = [ending]
  endings.set(worker, all)
  worker.once('exit', () => {
    for (const one of all) one()
  })
}

export function adoptWorkers(core: Core, died: (info: CacheEvents['workerDied']) => void): Adoption {
  const adopted = new WeakSet<Worker>()
  const adopt = (worker: Worker) => {
    if (adopted.has(worker)) return
    adopted.add(worker)
    const { threadId } = worker // -1 once it has ended
    atExit(worker, () => {
      if (adoptions.has(adopt)) for (const slot of slotsOf(core, threadId)) bury(core, slot, threadId, died)
    })
  }
  if (adoptions.size === 0) process.on('worker', adoptByAll)
  adoptions.add(adopt)
  return {
    adopt,
    end: () => {
      adoptions.delete(adopt)
      if (adoptions.size === 0) process.off('worker', adoptByAll)
    },
  }
}

function slotsOf({ words, arena }: Core, threadId: number): number[] {
  return Array.from({ length: arena.geometry.slots }, (_, slot) => slot).filter((slot) => {
    const at = arena.slotAt(slot)
    return load(words, at + Slot.state) === SlotState.LIVE && words[at + Slot.threadId] === threadId
  })
}

/** Marks the slot and rings: the flush worker does the rest. Its own slot is its successor's. */
function bury(
  core: Core,
  slot: number,
  threadId: number,
  died: (info: CacheEvents['workerDied']) => void,
): void {
  if (slot === FLUSH_SLOT) return
  const at = core.arena.slotAt(slot) + Slot.state
  if (compareExchange(core.words, at, SlotState.LIVE, SlotState.DEAD) !== SlotState.LIVE) return
  ringBell(core)
  if (slot >= firstClientSlot(core.arena.geometry.partitions)) died({ threadId, slot })
}
