/**
 * The asynchronous calls of one thread that wait for a journal entry, in order of arrival. The queue is local to the thread:
 * no other thread takes or returns entries of its slot.
 *
 *   WAITING --an entry is returned, and this call is first--> SERVED --the call resumes--> out
 *      '------deadline, abort or close: the call withdraws-----> out (an entry that it was given goes to the next call)
 *
 * While a call waits, no entry is free: a returned entry goes to the first call, never to the free list. So a hit cannot
 * overtake a waiting call, and no wakeup is lost, because the entry itself is the wakeup.
 */

/** A call's place in the queue. */
export interface Ticket {
  /** The entry that the call was given; -1 until then. */
  entry: number
  /** Resolves when the call is given its entry. */
  readonly turn: Promise<void>
  readonly serve: () => void
}

export class EntryQueue {
  readonly #waiting = new Set<Ticket>()
  #served = 0

  get length(): number {
    return this.#waiting.size
  }

  /** Number of entries passed to waiting calls. While it does not change, no guard was released and no call ended. */
  get served(): number {
    return this.#served
  }

  enter(): Ticket {
    let serve = (): void => undefined
    const turn = new Promise<void>((resolve) => (serve = resolve))
    const ticket = { entry: -1, turn, serve }
    this.#waiting.add(ticket)
    return ticket
  }

  /** Passes an entry to the call that has waited longest; returns false if none waits. */
  serve(entry: number): boolean {
    for (const ticket of this.#waiting) {
      this.#waiting.delete(ticket)
      this.#served++
      ticket.entry = entry
      ticket.serve()
      return true
    }
    return false
  }

  /** Removes a call that no longer waits. */
  leave(ticket: Ticket): void {
    this.#waiting.delete(ticket)
  }
}
