/**
 * A thread's connections that have not chosen an export. They take no place of the clients that have. When there are as
 * many as may be, a new connection takes the place of the oldest: a handshake takes milliseconds, so the oldest are peers that
 * open connections and leave them open, and these keep no client out.
 *
 *   arrival --> inside --export chosen--> admitted
 *                  +--closed, or the oldest of too many--> gone
 *
 * The lobby has no deadline; each connection keeps its own.
 */
export interface Guest {
  drop(reason: string): void
}

export class Lobby {
  readonly #most: number
  /** In the order of their coming. */
  readonly #guests = new Set<Guest>()

  constructor(most: number) {
    this.#most = most
  }

  enter(guest: Guest): void {
    this.#guests.add(guest)
    if (this.#guests.size <= this.#most) return
    const [oldest] = this.#guests
    this.#guests.delete(oldest!)
    oldest!.drop(`it had chosen no export, and ${this.#most} that came later had not either`)
  }

  /** The connection has an export, or is closed. */
  left(guest: Guest): void {
    this.#guests.delete(guest)
  }
}
