/**
 * The reader's thread: loads what is hinted at, and sleeps on its bell, until the engine stops.
 */
import { load, wait } from '#atomics'
import { Reader } from '../core/prefetch/reader.js'
import { attachSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { coreOf, openArena, readerSlot } from './attach.js'
import { serveStart } from './control.js'
import { EngineState, Header } from '../shared/words.js'

/** How long what is not to be had is given before it is tried again. */
const BUSY_MS = 1

serveStart(({ handle }) => {
  const arena = openArena(handle)
  const slot = readerSlot(arena.geometry.partitions)
  const core = coreOf(handle, arena, attachSlot(arena, slot, slot + 1, threadId, 'reader'), true)
  const reader = new Reader(core)
  return () => {
    for (;;) {
      const bell = load(core.words, Header.hintBell)
      const state = load(core.words, Header.state)
      if (state !== EngineState.OPEN && state !== EngineState.CLOSING) return
      if (!reader.step()) wait(core.words, Header.hintBell, bell, reader.isBusy ? BUSY_MS : Infinity)
    }
  }
})
