// Reading and changing pages.
//
// Each change of the tree is one update: its pages are latched in the order of their numbers, and released at one moment. A
// thread holds no other page in the meantime, so threads never wait for each other in a cycle, and no thread and no crash
// sees a part.

import { decode, encode, PAGE } from './node.mjs'
import { MAP, PageMap, PAGES_MAX } from './page-map.mjs'

/** A page that an update has latched. Setting its node changes it; undefined makes it free. */
export class LatchedPage {
  #guard

  constructor(guard) {
    this.#guard = guard
  }

  get node() {
    return decode(Buffer.from(this.#guard.data)) // a copy: it is used after the release
  }

  set node(node) {
    if (node === undefined) this.#guard.data.fill(0)
    else this.#guard.data.set(encode(node))
    this.#guard.markDirty()
  }

  /** Of page 0. Its bytes are not used after the update. */
  changeMap(pages, isUsed) {
    const map = new PageMap(this.#guard.data)
    for (const page of pages) map.set(page, isUsed)
    this.#guard.markDirty()
  }

  get map() {
    return new PageMap(this.#guard.data)
  }
}

/** `client`: the thread's own. Its calls may block the thread. */
export function openPages(client, partition) {
  const count = Math.min(partition.blocks, PAGES_MAX)

  function read(page) {
    const bytes = Buffer.alloc(PAGE)
    partition.readSync(bytes, page * PAGE)
    return bytes
  }

  /** Calls `fn` with these pages, latched; what it sets happens at one moment. If it sets none, or throws, nothing happens. */
  const update = (numbers, fn) =>
    client.updateSync(
      numbers.map((number) => [partition, number]),
      (guards) => fn(...guards.map((guard) => new LatchedPage(guard))),
    )

  /**
   * Free pages, other than these. Another thread may take them first: an update has to look again. @throws if there are not as
   * many
   */
  function findFree(wanted, others = []) {
    const map = new PageMap(read(MAP))
    const free = []
    for (let page = 0; page < count && free.length < wanted; page++)
      if (!map.has(page) && !others.includes(page)) free.push(page)
    if (free.length < wanted) throw new Error(`the store is full: all of its ${count} pages are in use`)
    return free
  }

  const readMap = () => new PageMap(read(MAP))
  const readNode = (page) => decode(read(page))
  return { count, read, readNode, readMap, findFree, update }
}
