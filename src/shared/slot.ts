/**
 * Thread slots: which threads are attached, what each holds and what it waits for, kept in the shared buffer so that
 * others can say who is in their way, and count a dead thread out. A slot's words are written by its thread alone
 * (state excepted); others read them.
 *
 *   FREE ------> ATTACHING ------> LIVE ------> FREE            its thread: attach, attach, detach
 *                ATTACHING ------> FREE                         another thread: the thread ended (deaths.ts)
 *                                  LIVE ------> DEAD            another thread: the thread ended (deaths.ts)
 *                                               DEAD ---> FREE  the flush worker: reaped (reaper.ts)
 *
 * Every change of the state is a compare-and-swap, except detach and the reaper's, which nothing competes with. A thread can
 * end between any two steps, so each state says whose the slot is:
 *
 *   ATTACHING   the claim stands in the state word itself, above the state. Nothing is held. `threadId`, `osThread` and the
 *               name are written in this state, so whatever sees LIVE sees those of its thread
 *   LIVE        `threadId` and `osThread` name the thread. They keep their values after detach, and mean nothing in FREE
 *   DEAD        the same; only the flush worker changes the slot
 *
 * The journal has an entry for each pin: `frame << 2 | state`, where state is
 *   FREE --before the latch is tried--> TAKING --pinned--> HELD --before the pin is given back--> GIVING --> FREE
 * Plain stores are enough: each is ordered by the atomic beside it. Who sees the pin sees TAKING or later, who sees it
 * gone sees GIVING or later.
 */
import { add, compareExchange, notify, store, sub, type Words } from '#atomics'
import type { Arena } from './arena.js'
import { EntryQueue, type Ticket } from './entry-queue.js'
import { CacheError } from './errors.js'
import { GUARDS_MAX } from './layout.js'
import { osThreadId } from './os-thread.js'
import { setSlotName } from './slot-name.js'
import { OwnWaits, type WaitKind } from './waits.js'
import type { FrameIndex, SlotIndex } from './indices.js'
import { Journal, Slot, SlotState } from './words.js'

export class ThreadSlot {
  readonly index: SlotIndex
  readonly at: number
  readonly journalAt: number
  /** First of this slot's counters in `arena.counters`. */
  readonly countersAt: number
  readonly #words: Words
  readonly #counters: Float64Array
  readonly #freeEntries = new Int32Array(GUARDS_MAX)
  #free = GUARDS_MAX
  /** Of the entries taken, those of asynchronous calls that have made no guard yet. */
  #callEntries = 0
  readonly #queue = new EntryQueue()
  #isClosed = false
  /** What calls of this thread wait for, for other threads to see. */
  readonly published: OwnWaits
  /** Asynchronous calls of this thread that have not settled. */
  #calls = 0

  constructor(arena: Arena, index: SlotIndex) {
    this.index = index
    this.at = arena.slotAt(index)
    this.journalAt = arena.journalAt(index)
    this.countersAt = arena.countersAt(index)
    this.#words = arena.words
    this.#counters = arena.counters
    this.published = new OwnWaits(arena, index)
    for (let i = 0; i < GUARDS_MAX; i++) this.#freeEntries[i] = this.journalAt + GUARDS_MAX - 1 - i
  }

  /** Whether every journal entry is taken. A closed slot is full. */
  get isFull(): boolean {
    return this.#free === 0
  }

  /** A free journal entry. @throws ERR_DCACHE_GUARDS */
  takeEntry(): number {
    if (this.#free === 0) throw this.noEntry()
    this.#words[this.at + Slot.guards] = GUARDS_MAX - --this.#free
    return this.#freeEntries[this.#free]!
  }

  noEntry(): CacheError {
    if (this.#isClosed) return new CacheError('ERR_DCACHE_CLOSED', 'this thread is detached from the cache')
    const calls =
      this.#callEntries === 0 ? '' : ` (${this.#callEntries} of them in asynchronous calls under way)`
    return new CacheError(
      'ERR_DCACHE_GUARDS',
      `this thread holds ${GUARDS_MAX} guards${calls}, the most it may; release some`,
    )
  }

  /** Returns an entry: to the call that has waited longest for one, else to the free list. @requires that the entry is FREE */
  returnEntry(entry: number): void {
    if (this.#free === 0 && this.#serve(entry)) return
    this.#freeEntries[this.#free++] = entry
    this.#words[this.at + Slot.guards] = GUARDS_MAX - this.#free
  }

  #serve(entry: number): boolean {
    if (!this.#queue.serve(entry)) return false
    this.#callEntries++
    return true
  }

  /** An entry for an asynchronous call, -1 if none is free. It is the call's until `toGuard` or `giveCallEntry`. */
  takeCallEntry(): number {
    if (this.#free === 0) return -1
    this.#callEntries++
    return this.takeEntry()
  }

  /** @requires that the entry is FREE */
  giveCallEntry(entry: number): void {
    this.#callEntries--
    this.returnEntry(entry)
  }

  /** A call has ended with a guard, which is the caller's from now on. */
  toGuard(): void {
    this.#callEntries--
  }

  /** The calls that wait for an entry. An entry that they are given counts as a call's. */
  get entryQueue(): EntryQueue {
    return this.#queue
  }

  /** A call stops to wait, with or without its entry. */
  leaveQueue(ticket: Ticket): void {
    this.#queue.leave(ticket)
    if (ticket.entry >= 0) this.giveCallEntry(ticket.entry)
  }

  /** Whether all entries are guards in the caller's hands, and none is a call's: then only the caller can return one. */
  get areAllHeld(): boolean {
    return this.#free === 0 && this.#callEntries === 0
  }

  /** Between these two an asynchronous call of the thread is under way, which uses the slot. */
  enterCall(): void {
    this.#calls++
  }
  leaveCall(): void {
    this.#calls--
  }

  get calls(): number {
    return this.#calls
  }

  /** Guards of this thread, and its calls that have an entry or wait for one. */
  get guards(): number {
    return this.#isClosed ? 0 : GUARDS_MAX - this.#free + this.#queue.length
  }

  /** @throws ERR_DCACHE_CLOSED */
  assertAttached(): void {
    if (this.#isClosed) throw this.noEntry()
  }

  /** No more guards for this thread: it is detached. @requires no guards */
  close(): void {
    this.#isClosed = true
    this.#free = 0
  }

  count(counter: number, by = 1): void {
    this.#counters[this.countersAt + counter]! += by
  }

  /** Publishes what a call of this thread is about to wait for. `sleeps`: the thread does nothing else in the meantime. */
  waits(call: object, kind: WaitKind, at: number, sleeps = false): void {
    this.published.publish(call, kind, at, sleeps)
  }

  /** That call does not wait any more. */
  waitsNoMore(call: object): void {
    this.published.withdraw(call)
  }

  /** Between these two the thread may be inside a system call on the files: close() waits for that. */
  enterIo(): void {
    add(this.#words, this.at + Slot.inIo, 1)
  }
  leaveIo(): void {
    sub(this.#words, this.at + Slot.inIo, 1)
  }
}

/** Takes a free slot of `first .. end-1` for the calling thread; undefined when there is none. */
export function tryAttachSlot(
  arena: Arena,
  first: number,
  end: number,
  threadId: number,
  name = '',
): ThreadSlot | undefined {
  const claim = claimOf(threadId)
  for (let index = first; index < end; index++) {
    const stateAt = arena.slotAt(index) + Slot.state
    if (compareExchange(arena.words, stateAt, SlotState.FREE, claim) !== SlotState.FREE) continue
    nameThread(arena, index, threadId, name)
    // Fails only where this thread was taken for a dead one.
    if (compareExchange(arena.words, stateAt, claim, SlotState.LIVE) === claim)
      return new ThreadSlot(arena, index)
  }
  return undefined
}

/** The same. @throws ERR_DCACHE_THREADS */
export function attachSlot(
  arena: Arena,
  first: number,
  end: number,
  threadId: number,
  name = '',
): ThreadSlot {
  const slot = tryAttachSlot(arena, first, end, threadId, name)
  if (slot !== undefined) return slot
  throw new CacheError(
    'ERR_DCACHE_THREADS',
    `all ${end - first} thread slots are taken; detach a thread, or open the cache with more threads`,
  )
}

/** ATTACHING, and above it the thread's number: the system's, where that is known. */
function claimOf(threadId: number): number {
  return SlotState.ATTACHING | ((osThreadId() || threadId) << SlotState.CLAIM_SHIFT)
}

/** Says which thread has a slot. @requires the slot, not LIVE yet */
function nameThread(arena: Arena, index: SlotIndex, threadId: number, name: string): void {
  const at = arena.slotAt(index)
  arena.words[at + Slot.threadId] = threadId
  arena.words[at + Slot.osThread] = osThreadId()
  setSlotName(arena, index, name)
}

/** The slot of the flush worker, for the thread that has that part now: there is one at a time. */
export function takeOverSlot(arena: Arena, index: SlotIndex, threadId: number, name = ''): ThreadSlot {
  nameThread(arena, index, threadId, name)
  store(arena.words, arena.slotAt(index) + Slot.state, SlotState.LIVE)
  return new ThreadSlot(arena, index)
}

/** @requires no guards held, no call under way */
export function detachSlot(arena: Arena, slot: ThreadSlot): void {
  slot.close()
  store(arena.words, slot.at + Slot.state, SlotState.FREE)
  notify(arena.words, slot.at + Slot.state)
}

/**
 * Pins on a frame that the journals of live slots know of; -1 while one of them is coming or going: look again. The
 * checker and the reaper count with this.
 */
export function journaledPins(arena: Arena, frame: FrameIndex): number {
  const { words, geometry } = arena
  let pins = 0
  for (let slot = 0; slot < geometry.slots; slot++) {
    if (words[arena.slotAt(slot) + Slot.state] !== SlotState.LIVE) continue
    const start = arena.journalAt(slot)
    for (let at = start; at < start + GUARDS_MAX; at++) {
      const entry = words[at]!
      if (entry >>> 2 !== frame || (entry & 3) === Journal.FREE) continue
      if ((entry & 3) !== Journal.HELD) return -1
      pins++
    }
  }
  return pins
}
