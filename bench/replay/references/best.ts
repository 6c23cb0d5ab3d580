/**
 * The best possible choice: the victim is the block whose next use is the furthest in the future. It needs to know the future, so
 * no policy reaches it (L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5,
 * 1966).
 */
import type { MakeSimulator } from '../simulator.js'

export const best: MakeSimulator = ({ ids, names }, blocks) => {
  const next = nextUses(ids, names.length)
  /** The next use of each cached block; 0 if it is not cached, since no next use is the first access. */
  const due = new Uint32Array(names.length)
  const uses = new MaxHeap(ids.length)
  let [at, size] = [0, 0]
  /** Evicts the block with the latest use. Older uses of a block remain in the heap until they are the latest. */
  const evict = () => {
    for (;;) {
      const use = uses.pop()
      const id = ids[use < ids.length ? use : use - ids.length]!
      if (due[id] !== use) continue
      due[id] = 0
      return
    }
  }
  return {
    access(id) {
      const isHit = due[id] !== 0
      if (!isHit && size === blocks) evict()
      else if (!isHit) size++
      due[id] = next[at++]!
      uses.push(due[id])
      return isHit
    },
  }
}

/** For each access, the time of the next access to its block. Without one, a time of its own after the end. */
function nextUses(ids: Uint32Array, distinct: number): Uint32Array {
  const next = new Uint32Array(ids.length)
  const seen = new Uint32Array(distinct) // 0: not yet
  for (let i = ids.length - 1; i >= 0; i--) {
    const id = ids[i]!
    next[i] = seen[id] === 0 ? ids.length + i : seen[id]!
    seen[id] = i
  }
  return next
}

/** A binary heap of numbers, the largest first. */
class MaxHeap {
  readonly #items: Uint32Array
  #size = 0

  constructor(capacity: number) {
    this.#items = new Uint32Array(capacity)
  }

  push(item: number): void {
    const items = this.#items
    let place = this.#size++
    while (place > 0) {
      const parent = (place - 1) >>> 1
      if (items[parent]! >= item) break
      items[place] = items[parent]!
      place = parent
    }
    items[place] = item
  }

  /** @requires a heap that is not empty */
  pop(): number {
    const items = this.#items
    const top = items[0]!
    const last = items[--this.#size]!
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && items[child + 1]! > items[child]!) child++
      if (items[child]! <= last) break
      items[place] = items[child]!
      place = child
    }
    items[place] = last
    return top
  }
}
