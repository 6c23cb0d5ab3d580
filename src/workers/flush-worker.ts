/**
 * The flush worker's thread: until the engine stops, runs rounds whenever the bell rings or something is due, calls the owner
 * for the threads that are needed, and does the jobs of writers that are missing.
 */
import { load, store, wait } from '#atomics'
import { Flusher } from '../core/write-back/flusher.js'
import { eventsOf } from '../core/format.js'
import { Needs } from '../core/write-back/needs.js'
import { firstClientSlot, FLUSH_SLOT } from '../shared/layout.js'
import { takeOverSlot } from '../shared/slot.js'
import { threadId } from 'node:worker_threads'
import { contextOf, openArena } from './attach.js'
import { Census } from './census.js'
import { serveStart } from './control.js'
import { EventSender } from './events.js'
import { StandIn } from './stand-in.js'
import { EngineState, Header } from '../shared/words.js'

serveStart(({ handle, options }, call) => {
  const arena = openArena(handle)
  const context = contextOf(handle, arena, takeOverSlot(arena, FLUSH_SLOT, threadId, 'flush worker'), true)
  const firstClient = firstClientSlot(arena.geometry)
  const events = new EventSender(eventsOf(arena))
  context.handRound = (round) => {
    events.sendRound(round)
  }
  const flusher = new Flusher(context, (event) => {
    if (event.kind !== 'died' || event.slot >= firstClient) events.send(event)
  })
  const census = new Census(arena, firstClient)
  const needs = new Needs(context, call)
  const standIn = new StandIn(context, handle, options.writeBytes)
  const isRunning = () => {
    const state = load(context.words, Header.state)
    return state === EngineState.OPEN || state === EngineState.CLOSING
  }
  /** Returns the milliseconds until a look is due, without a ring. */
  const step = (): number => {
    census.look()
    flusher.step()
    needs.look()
    events.sendKept()
    return Math.min(needs.idleMs(), standIn.look())
  }
  return () => {
    for (;;) {
      const bell = load(context.words, Header.bell)
      store(context.words, Header.heartbeat, bell)
      if (!isRunning()) return
      let dueMs: number
      try {
        dueMs = step()
      } catch (error) {
        if (isRunning()) throw error
        return // a wait was given up because the engine has stopped
      }
      const idleMs = Math.min(flusher.idleMs(), census.idleMs(), events.idleMs, dueMs)
      wait(context.words, Header.bell, bell, idleMs)
    }
  }
})
