/**
 * The flush worker's thread: runs rounds whenever the bell rings or something is due, until the engine closes.
 */
import { load, store, wait } from '#atomics'
import { Flusher } from '../core/flusher.js'
import { eventsOf } from '../core/format.js'
import { takeOverSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { coreOf, firstClientSlot, FLUSH_SLOT, openArena } from './attach.js'
import { Census } from './census.js'
import { serveStart } from './control.js'
import { EventSender } from './events.js'
import { EngineState, Header } from '../shared/words.js'

serveStart(({ handle, options }) => {
  const arena = openArena(handle)
  const core = coreOf(handle, arena, takeOverSlot(arena, FLUSH_SLOT, threadId, 'flush worker'), true)
  const firstClient = firstClientSlot(arena.geometry.partitions)
  const events = new EventSender(eventsOf(arena))
  const flusher = new Flusher(core, options, (event) => {
    if (event.kind !== 'died' || event.slot >= firstClient) events.send(event)
  })
  const census = new Census(arena, firstClient)
  const isRunning = () => {
    const state = load(core.words, Header.state)
    return state === EngineState.OPEN || state === EngineState.CLOSING
  }
  const step = () => {
    census.look()
    flusher.step()
    events.sendKept()
  }
  return () => {
    for (;;) {
      const bell = load(core.words, Header.bell)
      store(core.words, Header.heartbeat, bell)
      if (!isRunning()) return
      try {
        step()
      } catch (error) {
        if (isRunning()) throw error
        return // it gave up a wait, because the engine stopped
      }
      wait(core.words, Header.bell, bell, Math.min(flusher.idleMs(), census.idleMs(), events.idleMs))
    }
  }
})
