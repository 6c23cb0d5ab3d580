/**
 * The journal entry of a call on its slow path. A thread has 256 entries, for its guards and for its calls under way. A call that
 * awaits has an entry only while it takes the block: it returns the entry before it waits for other threads or for the
 * caller's own guards, and takes one again afterwards. So any number of calls may wait, and a call that holds an entry
 * ends by itself, with the disk.
 *
 * With no entry free such a call waits in the slot's queue. It fails only when the caller itself holds all 256 as guards
 * and releases none for a second: a caller that waits for its own guards is told, but tasks that each take, change and release a
 * block just take turns. A call that blocks keeps its entry, since no task of its thread could return one.
 *
 * Cost: a call that finds an entry pays what it paid before; a call that waits, a promise, and a timer for each slice.
 */
import type { CacheError } from '../../shared/errors.js'
import { SLICE_MS, type Slow, timedOut } from '../../shared/wait.js'
import type { Context } from '../context.js'
import type { Request } from './request.js'

/**
 * Looks, a slice apart, at which the caller held every entry and none was returned. Counted in looks, not in time: where the event
 * loop stands still no task can release a guard.
 */
const LOOKS_MAX = 4

/**
 * Gives the call an entry, if it has none.
 * @throws ERR_DCACHE_GUARDS, ERR_DCACHE_TIMEOUT, ERR_DCACHE_CLOSED
 */
export function* takeEntry(context: Context, request: Request): Slow<void> {
  if (request.entry >= 0) return
  const { slot } = context
  request.entry = request.isSync ? slot.takeEntry() : slot.takeCallEntry()
  if (request.entry < 0) request.entry = yield* queueForEntry(context, request)
}

/** Before a wait: others of this thread may have the entry meanwhile. @requires that the entry is FREE */
export function lendEntry(context: Context, request: Request): void {
  if (!request.isSync) returnEntry(context, request)
}

/** The call ends without a guard. @requires that the entry is FREE */
export function returnEntry({ slot }: Context, request: Request): void {
  const { entry } = request
  if (entry < 0) return
  request.entry = -1
  if (request.isSync) slot.returnEntry(entry)
  else slot.giveCallEntry(entry)
}

/** The call ends with a guard, to which its entry belongs now. */
export function keepEntry({ slot }: Context, request: Request): void {
  if (!request.isSync) slot.toGuard()
}

function* queueForEntry(context: Context, { deadline }: Request): Slow<number> {
  const { slot } = context
  slot.assertAttached()
  const ticket = slot.entryQueue.enter()
  try {
    let { served } = slot.entryQueue
    for (let looks = 0; ;) {
      const leftMs = deadline.leftMs()
      if (leftMs <= 0) throw expired(context, deadline.timeoutMs)
      yield {
        kind: 'turn',
        what: 'another task of this thread',
        turn: ticket.turn,
        timeoutMs: Math.min(leftMs, SLICE_MS),
      }
      slot.assertAttached()
      context.assertOpen()
      if (ticket.entry >= 0) return ticket.entry
      looks = slot.areAllHeld && slot.entryQueue.served === served ? looks + 1 : 0
      if (looks === LOOKS_MAX) throw slot.noEntry()
      served = slot.entryQueue.served
    }
  } catch (error) {
    slot.leaveQueue(ticket)
    throw error
  }
}

function expired({ slot }: Context, timeoutMs: number): CacheError {
  return slot.areAllHeld
    ? slot.noEntry()
    : timedOut(
        'all journal entries of this thread are taken by its guards and its calls under way',
        timeoutMs,
      )
}
