/**
 * The reader's thread: fills the blocks that hints ask for, and sleeps on its bell, until the engine stops.
 */
import { load, wait } from '#atomics'
import { Reader } from '../core/prefetch/reader.js'
import { readerSlot } from '../shared/layout.js'
import { attachSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { contextOf, openArena } from './attach.js'
import { serveStart } from './control.js'
import { EngineState, Header } from '../shared/words.js'

/** Milliseconds until a block is tried again that was not available. */
const BUSY_MS = 1

serveStart(({ handle }) => {
  const arena = openArena(handle)
  const slot = readerSlot(arena.geometry)
  const context = contextOf(handle, arena, attachSlot(arena, slot, slot + 1, threadId, 'reader'), true)
  const reader = new Reader(context)
  return () => {
    for (;;) {
      const bell = load(context.words, Header.hintBell)
      const state = load(context.words, Header.state)
      if (state !== EngineState.OPEN && state !== EngineState.CLOSING) return
      if (!reader.step()) wait(context.words, Header.hintBell, bell, reader.isBusy ? BUSY_MS : Infinity)
    }
  }
})
