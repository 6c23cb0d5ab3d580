/**
 * The claims of one cache. Several partitions may be in one file: it is claimed with the first of them, and free after the last.
 */
import { claimFile, type Claim } from './claim.js'

export class Claims {
  readonly #held = new Map<string, { readonly claim: Claim; users: number }>()

  /** Claims a file, or shares the cache's claim; parameters and errors as those of `claimFile`. */
  async take(identity: string, what: string, path: string): Promise<void> {
    const held = this.#held.get(identity)
    if (held !== undefined) held.users++
    else this.#held.set(identity, { claim: await claimFile(identity, what, path), users: 1 })
  }

  /** Gives a claim back that `take` took. */
  release(identity: string): void {
    const held = this.#held.get(identity)
    if (held === undefined || --held.users > 0) return
    this.#held.delete(identity)
    held.claim.release()
  }
}
