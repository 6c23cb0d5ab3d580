/**
 * Asynchronous calls of one thread that wait for a journal entry, in the order in which they came. The queue is this thread's own:
 * no other thread gives or takes entries of its slot.
 *
 *   WAITING --an entry is returned: the first call gets it--> SERVED --the call resumes--> out
 *      '----deadline, abort, close: the call withdraws------> out (an entry that it was given goes to the next call)
 *
 * While a call waits, no entry is free: each entry that is returned goes to the first call, never to the free list. So a
 * hit can't pass a call that waits, and no wakeup is lost: the entry itself is what a call is woken with.
 */

/** A call's place in the queue. */
export interface Ticket {
  /** The entry that the call was given; -1 before. */
  entry: number
  /** Resolved when the call is given its entry. */
  readonly turn: Promise<void>
  readonly serve: () => void
}

export class EntryQueue {
  readonly #waiting = new Set<Ticket>()
  #served = 0

  get length(): number {
    return this.#waiting.size
  }

  /** How many entries went to calls that waited: while this stands still, no guard was released and no call ended. */
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

  /** Gives an entry to the call that has waited longest; false if none waits. */
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

  /** A call that does not wait any more. */
  leave(ticket: Ticket): void {
    this.#waiting.delete(ticket)
  }
}
