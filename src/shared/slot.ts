/**
 * Thread slots: which threads are attached, what each holds and what it waits for. They are in the shared buffer so that
 * other threads can report what blocks them, and so that the pins of a dead thread can be subtracted. Only its own thread
 * writes the words of a slot (except `state`); other threads read them.
 *
 *   FREE ------> ATTACHING ------> LIVE ------> FREE            by its thread: attach, attach, detach
 *                ATTACHING ------> FREE                         by another thread: the thread ended (deaths.ts)
 *                                  LIVE ------> DEAD            by another thread: the thread ended (deaths.ts)
 *                                               DEAD ---> FREE  by the flush worker: recovered (reaper.ts)
 *
 * Every change of state is a compare-and-swap, except those of detach and the reaper, which have no competitors. A thread can
 * end between any two steps, so in each state it is known which thread the slot belongs to:
 *
 *   ATTACHING   the claim is in the state word itself, above the state. Nothing is held. `threadId`, `osThread` and the
 *               name are written in this state, so a thread that sees LIVE also sees those of its thread
 *   LIVE        `threadId` and `osThread` name the thread. They keep their values after detach, but mean nothing in FREE
 *   DEAD        the same; only the flush worker changes the slot
 *
 * The journal has an entry for each pin: `frame << 2 | state`, where state is
 *   FREE --before the attempt to latch--> TAKING --pinned--> HELD --before the pin is released--> GIVING --> FREE
 * Plain stores are enough, since each is ordered by the atomic operation next to it: a thread that sees the pin sees TAKING
 * or a later state, and one that sees the pin gone sees GIVING or a later state.
 */
import { add, compareExchange, load, notify, store, type Words } from '#atomics'
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
  /** Index of this slot's first counter in `arena.counters`. */
  readonly countersAt: number
  readonly #words: Words
  readonly #counters: Float64Array
  readonly #freeEntries = new Int32Array(GUARDS_MAX)
  #free = GUARDS_MAX
  /** How many of the taken entries belong to asynchronous calls that have not made their guard yet. */
  #callEntries = 0
  readonly #queue = new EntryQueue()
  #isClosed = false
  /** What calls of this thread wait for, visible to other threads. */
  readonly published: OwnWaits
  /** Number of asynchronous calls of this thread that have not settled. */
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

  /** Whether every journal entry is taken. True for a closed slot. */
  get isFull(): boolean {
    return this.#free === 0
  }

  /** Takes a free journal entry and returns its address. @throws ERR_DCACHE_GUARDS, ERR_DCACHE_CLOSED */
  takeEntry(): number {
    if (this.#free === 0) throw this.noEntry()
    this.#words[this.at + Slot.guards] = GUARDS_MAX - --this.#free
    return this.#freeEntries[this.#free]!
  }

  /** The error for a call that finds no free entry. */
  noEntry(): CacheError {
    if (this.#isClosed) return new CacheError('ERR_DCACHE_CLOSED', 'this thread is detached from the cache')
    const calls =
      this.#callEntries === 0 ? '' : ` (${this.#callEntries} of them in asynchronous calls under way)`
    return new CacheError(
      'ERR_DCACHE_GUARDS',
      `this thread holds ${GUARDS_MAX} guards${calls}, which is the maximum; release some`,
    )
  }

  /** Returns an entry to the call that has waited longest for one, or to the free list. @requires that the entry is FREE */
  returnEntry(entry: number): void {
    if (this.#free === 0 && this.#serve(entry)) return
    this.#freeEntries[this.#free++] = entry
    this.#words[this.at + Slot.guards] = GUARDS_MAX - this.#free
  }

  /**
   * Moves up to `most` free entries into `entries`, for the pins of a round that this thread runs. They are no guards, so
   * `close` does not count them.
   */
  lendEntries(entries: number[], most: number): void {
    while (entries.length < most && this.#free > 0) entries.push(this.#freeEntries[--this.#free]!)
  }

  /** Takes lent entries back. @requires that they are FREE, and that the thread did nothing else in the meantime */
  takeBackEntries(entries: number[]): void {
    while (entries.length > 0) this.#freeEntries[this.#free++] = entries.pop()!
  }

  #serve(entry: number): boolean {
    if (!this.#queue.serve(entry)) return false
    this.#callEntries++
    return true
  }

  /**
   * Takes an entry for an asynchronous call; -1 if none is free. It belongs to the call until `toGuard` or `giveCallEntry`.
   */
  takeCallEntry(): number {
    if (this.#free === 0) return -1
    this.#callEntries++
    return this.takeEntry()
  }

  /** Returns a call's entry. @requires that the entry is FREE */
  giveCallEntry(entry: number): void {
    this.#callEntries--
    this.returnEntry(entry)
  }

  /** Records that a call has returned a guard: the entry belongs to the guard from now on. */
  toGuard(): void {
    this.#callEntries--
  }

  /** The calls that wait for an entry. An entry that is passed to one of them counts as a call's. */
  get entryQueue(): EntryQueue {
    return this.#queue
  }

  /** Withdraws a call that waits, and returns the entry that it may have been given. */
  leaveQueue(ticket: Ticket): void {
    this.#queue.leave(ticket)
    if (ticket.entry >= 0) this.giveCallEntry(ticket.entry)
  }

  /** Whether all entries belong to guards, and none to a call, so that only the caller can return one. */
  get areAllHeld(): boolean {
    return this.#free === 0 && this.#callEntries === 0
  }

  /** An asynchronous call of the thread, which uses the slot, is under way between these two. */
  enterCall(): void {
    this.#calls++
  }
  leaveCall(): void {
    this.#calls--
  }

  get calls(): number {
    return this.#calls
  }

  /** Number of guards of this thread, plus its calls that have an entry or wait for one. */
  get guards(): number {
    return this.#isClosed ? 0 : GUARDS_MAX - this.#free + this.#queue.length
  }

  /** @throws ERR_DCACHE_CLOSED */
  assertAttached(): void {
    if (this.#isClosed) throw this.noEntry()
  }

  /** Refuses further guards, because the thread detaches. @requires no guards */
  close(): void {
    this.#isClosed = true
    this.#free = 0
  }

  count(counter: number, by = 1): void {
    this.#counters[this.countersAt + counter]! += by
  }

  /** Publishes what a call of this thread is about to wait for. `sleeps`: the whole thread sleeps, not only the call. */
  waits(call: object, kind: WaitKind, at: number, sleeps = false): void {
    this.published.publish(call, kind, at, sleeps)
  }

  /** Withdraws the wait of a call. */
  waitsNoMore(call: object): void {
    this.published.withdraw(call)
  }

  /**
   * The thread may be inside a system call on the files between these two; close() waits for that. Only this thread writes the
   * word, so a plain store is enough to leave.
   */
  enterIo(): void {
    add(this.#words, this.at + Slot.inIo, 1)
  }
  leaveIo(): void {
    this.#words[this.at + Slot.inIo]! -= 1
  }
}

/** Takes a free slot of `first` .. `end - 1` for the calling thread; undefined if there is none. */
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
    // Fails only if another thread has taken this thread for a dead one.
    if (compareExchange(arena.words, stateAt, claim, SlotState.LIVE) === claim)
      return new ThreadSlot(arena, index)
  }
  return undefined
}

/** As `tryAttachSlot`, but throws if there is none. @throws ERR_DCACHE_THREADS */
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
    `all ${end - first} thread slots are in use; detach a thread, or open the cache with more threads`,
  )
}

/** ATTACHING, with the thread's id above it: the system's id if it is known, else Node's. */
function claimOf(threadId: number): number {
  return SlotState.ATTACHING | ((osThreadId() || threadId) << SlotState.CLAIM_SHIFT)
}

/** Stores which thread has a slot. @requires that the caller has claimed the slot, and that it is not LIVE yet */
function nameThread(arena: Arena, index: SlotIndex, threadId: number, name: string): void {
  const at = arena.slotAt(index)
  arena.words[at + Slot.threadId] = threadId
  arena.words[at + Slot.osThread] = osThreadId()
  setSlotName(arena, index, name)
}

/** Takes over the slot of the flush worker for the thread that has this role now. There is only one at a time. */
export function takeOverSlot(arena: Arena, index: SlotIndex, threadId: number, name = ''): ThreadSlot {
  nameThread(arena, index, threadId, name)
  store(arena.words, arena.slotAt(index) + Slot.state, SlotState.LIVE)
  return new ThreadSlot(arena, index)
}

/** Releases the calling thread's slot. @requires no guards, and no call under way */
export function detachSlot(arena: Arena, slot: ThreadSlot): void {
  slot.close()
  store(arena.words, slot.at + Slot.state, SlotState.FREE)
  notify(arena.words, slot.at + Slot.state)
}

/**
 * Counts the pins on a frame in the journals of live slots. Returns -1 if one of them is being taken or released at this
 * moment: the caller must count again. Used by the checker and the reaper. Costs a scan of all journals.
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

/**
 * The number of guards that a live thread holds, 0 of any other. The owner calls it after it has changed the engine's state by
 * an atomic operation: then a thread that is not counted here sees that state before its call returns a guard.
 */
export function guardsOf(arena: Arena, slot: SlotIndex): number {
  const at = arena.slotAt(slot)
  return load(arena.words, at + Slot.state) === SlotState.LIVE ? load(arena.words, at + Slot.guards) : 0
}
