/**
 * The journal entry of a call on its slow path. A thread has 256 entries, for its guards and its calls under way. An
 * asynchronous call has an entry only while it takes the block: it returns the entry before it waits for other threads or for
 * guards of its own thread, and takes one again afterwards. So any number of calls may wait, and a call that keeps an entry
 * waits only for the disk.
 *
 * If no entry is free, such a call waits in the slot's queue. It fails only if the thread holds all 256 entries as guards and
 * releases none for a second. So a caller that waits for its own guards gets an error, while tasks that each acquire, change
 * and release a block take turns. A call that blocks keeps its entry, since no task of its thread could return one.
 *
 * Cost: nothing for a call that finds a free entry; a promise, and a timer per slice, for one that waits.
 */
import type { CacheError } from '../../shared/errors.js'
import { SLICE_MS, type Slow, timedOut } from '../../shared/wait.js'
import type { Context } from '../context.js'
import type { Request } from './request.js'

/**
 * Number of consecutive checks, one slice apart, at which the thread held every entry as a guard and none was returned.
 * Checks are counted instead of time: while the event loop is blocked, no task can release a guard.
 */
const LOOKS_MAX = 4

/**
 * Takes an entry for the call, if it has none.
 * @throws ERR_DCACHE_GUARDS, ERR_DCACHE_TIMEOUT, ERR_DCACHE_CLOSED
 */
export function* takeEntry(context: Context, request: Request): Slow<void> {
  if (request.entry >= 0) return
  const { slot } = context
  request.entry = request.isSync ? slot.takeEntry() : slot.takeCallEntry()
  if (request.entry < 0) request.entry = yield* queueForEntry(context, request)
}

/**
 * To be called before a wait: other calls of this thread may use the entry in the meantime. @requires that the entry is FREE
 */
export function lendEntry(context: Context, request: Request): void {
  if (!request.isSync) returnEntry(context, request)
}

/** Returns the entry of a call that ends without a guard. @requires that the entry is FREE */
export function returnEntry({ slot }: Context, request: Request): void {
  const { entry } = request
  if (entry < 0) return
  request.entry = -1
  if (request.isSync) slot.returnEntry(entry)
  else slot.giveCallEntry(entry)
}

/** Passes the entry of a call that ends with a guard to that guard. */
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
        'all journal entries of this thread are in use by its guards and its calls under way',
        timeoutMs,
      )
}
