/**
 * The flush worker's thread: runs rounds whenever the bell rings or something is due, calls the owner for the threads that are
 * needed, and does the job of a writer that does not come, until the engine closes.
 */
import { load, store, wait } from '#atomics'
import { Flusher } from '../core/flusher.js'
import { eventsOf } from '../core/format.js'
import { Needs } from '../core/needs.js'
import { takeOverSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { coreOf, FLUSH_SLOT, openArena } from './attach.js'
import { serveStart } from './control.js'
import { eventRecord } from './events.js'
import { StandIn } from './stand-in.js'
import { EngineState, Header } from '../shared/words.js'

serveStart(({ handle, options }, call) => {
  const arena = openArena(handle)
  const core = coreOf(handle, arena, takeOverSlot(arena, FLUSH_SLOT, threadId, 'flush worker'), true)
  const events = eventsOf(arena)
  const flusher = new Flusher(core, options, (event) => events.tryPush(...eventRecord(event)))
  const needs = new Needs(core, call)
  const standIn = new StandIn(core, handle, options.writeBytes)
  return () => {
    for (;;) {
      const bell = load(core.words, Header.bell)
      store(core.words, Header.heartbeat, bell)
      const state = load(core.words, Header.state)
      if (state !== EngineState.OPEN && state !== EngineState.CLOSING) return
      needs.look()
      flusher.step()
      const dueMs = standIn.look()
      wait(core.words, Header.bell, bell, Math.min(flusher.idleMs(), dueMs))
    }
  }
})
