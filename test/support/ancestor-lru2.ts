// A plain version of the ancestor's LRU-2, a reference to compare hits with. The victim is the block whose second-to-last
// use is oldest. A new block enters half-way between that time of the frame's former block and now. This is a heap like
// the ancestor's, so that ties are broken in the same way. Unlike the ancestor's, its clock does not overflow.

interface Entry {
  block: number
  used: number
  used2: number
}

export class AncestorLru2 {
  readonly #heap: Entry[] = []
  readonly #entries = new Map<number, Entry>()
  readonly #size: number
  #now = 0
  hits = 0

  constructor(size: number) {
    this.#size = size
  }

  /** Uses a block; true if it was cached. */
  access(block: number): boolean {
    const known = this.#entries.get(block)
    if (known) {
      this.hits++
      this.#use(known)
      this.#fix(this.#heap.indexOf(known), known)
      return true
    }
    const entry = this.#heap.length < this.#size ? { block, used: 0, used2: 0 } : this.#evict()
    entry.block = block
    entry.used = entry.used2 + Math.floor((this.#now - entry.used2) / 2)
    this.#entries.set(block, entry)
    this.#use(entry)
    this.#heap.push(entry)
    this.#up(this.#heap.length - 1, entry)
    return false
  }

  #use(entry: Entry): void {
    entry.used2 = entry.used
    entry.used = this.#now++
  }

  #evict(): Entry {
    const victim = this.#heap[0]!
    this.#entries.delete(victim.block)
    const last = this.#heap.pop()!
    if (this.#heap.length > 0) this.#fix(0, last)
    return victim
  }

  #fix(place: number, entry: Entry): void {
    if (this.#up(place, entry) === place) this.#down(place, entry)
  }

  #up(place: number, entry: Entry): number {
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (entry.used2 >= this.#heap[parent]!.used2) break
      this.#heap[place] = this.#heap[parent]!
      place = parent
    }
    this.#heap[place] = entry
    return place
  }

  #down(place: number, entry: Entry): void {
    for (let child = 2 * place + 1; child < this.#heap.length; child = 2 * place + 1) {
      const right = this.#heap[child + 1]
      if (right && this.#heap[child]!.used2 > right.used2) child++
      if (entry.used2 <= this.#heap[child]!.used2) break
      this.#heap[place] = this.#heap[child]!
      place = child
    }
    this.#heap[place] = entry
  }
}

/** A repeatable sequence of block numbers, with some blocks requested often, and runs of others once. */
export function accessPattern(count: number, blocks: number, seed = 1): number[] {
  let state = seed
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return Math.floor(((state >>> 8) / 2 ** 24) * below)
  }
  const pattern: number[] = []
  while (pattern.length < count) {
    if (random(20) === 0) {
      const start = random(blocks)
      for (let i = 0; i < 12; i++) pattern.push((start + i) % blocks)
    } else {
      pattern.push(Math.floor((random(blocks) * random(1000)) / 1000))
    }
  }
  return pattern.slice(0, count)
}
