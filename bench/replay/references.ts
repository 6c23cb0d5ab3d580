/**
 * The references for the policies: plain LRU, and the optimal choice of victims, which needs to know the future (L. A.
 * Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5, 1966).
 */

/** Hits of plain LRU in a cache of this many blocks. */
export function lruHits(trace: Uint32Array, blocks: number): number {
  const cached = new Set<number>() // in order of last use
  let hits = 0
  for (const block of trace) {
    if (cached.delete(block)) hits++
    else if (cached.size === blocks) cached.delete(cached.values().next().value!)
    cached.add(block)
  }
  return hits
}

/** Hits if the victim is always the block whose next use is furthest in the future. */
export function bestHits(trace: Uint32Array, blocks: number): number {
  const next = nextUses(trace)
  const cached = new Map<number, number>() // next use by block
  const byNext = new MaxHeap()
  let hits = 0
  for (let i = 0; i < trace.length; i++) {
    const block = trace[i]!
    if (cached.has(block)) hits++
    else if (cached.size === blocks) {
      // Heap entries with an older use are obsolete: the block was used since then.
      let use = byNext.pop()
      while (cached.get(use.block) !== use.at) use = byNext.pop()
      cached.delete(use.block)
    }
    cached.set(block, next[i]!)
    byNext.push(next[i]!, block)
  }
  return hits
}

/** For each access, the time of the next access to its block. Without one, a distinct time after the end. */
function nextUses(trace: Uint32Array): Float64Array {
  const next = new Float64Array(trace.length)
  const seen = new Map<number, number>()
  for (let i = trace.length - 1; i >= 0; i--) {
    next[i] = seen.get(trace[i]!) ?? trace.length + i
    seen.set(trace[i]!, i)
  }
  return next
}

/** A binary heap, the largest first. */
class MaxHeap {
  readonly #items: { at: number; block: number }[] = []

  push(at: number, block: number): void {
    const items = this.#items
    let place = items.length
    items.push({ at, block })
    while (place > 0) {
      const parent = (place - 1) >>> 1
      if (items[parent]!.at >= at) break
      items[place] = items[parent]!
      place = parent
    }
    items[place] = { at, block }
  }

  /** @requires a heap that is not empty */
  pop(): { at: number; block: number } {
    const items = this.#items
    const top = items[0]!
    const last = items.pop()!
    if (items.length === 0) return top
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= items.length) break
      if (child + 1 < items.length && items[child + 1]!.at > items[child]!.at) child++
      if (items[child]!.at <= last.at) break
      items[place] = items[child]!
      place = child
    }
    items[place] = last
    return top
  }
}
