/**
 * A thread's connections that have not chosen an export. They do not count against the limit of clients. When the lobby
 * is full, a new connection displaces the oldest one. A handshake takes milliseconds, so the oldest ones are idle
 * peers, and these can't keep clients out.
 *
 *   arrival --> inside --export chosen--> admitted
 *                  +--closed, or the oldest in a full lobby--> gone
 *
 * The lobby has no deadline; each connection checks its own.
 */
export interface Guest {
  drop(reason: string): void
}

export class Lobby {
  readonly #most: number
  /** In order of arrival. */
  readonly #guests = new Set<Guest>()

  constructor(most: number) {
    this.#most = most
  }

  enter(guest: Guest): void {
    this.#guests.add(guest)
    if (this.#guests.size <= this.#most) return
    const [oldest] = this.#guests
    this.#guests.delete(oldest!)
    oldest!.drop(`no export was chosen, and ${this.#most} newer connections wait for theirs`)
  }

  /** Removes a connection that has chosen an export or is closed. */
  left(guest: Guest): void {
    this.#guests.delete(guest)
  }
}
