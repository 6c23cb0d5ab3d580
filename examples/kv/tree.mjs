// A B+tree of keys and values, both Buffers, for any number of threads.
//
// Reading takes no latch from one page to the next: it copies a page, then the next one. Since another thread may split, join
// or free pages in between, each page says which keys it has (its fences), and a search that arrives at another page begins
// anew. Writing searches in the same way, then latches the leaves in one update, and looks at the fences again.

import { childAt, pageIn, setIn, valueIn } from './entries.mjs'
import { join } from './join.mjs'
import { fits, isFor, isSmall, KEY_MAX, VALUE_MAX } from './node.mjs'
import { ROOT } from './page-map.mjs'
import { split } from './split.mjs'

export function openTree(pages) {
  /** One way down to the node of a level; undefined if pages changed on the way. */
  function descend(key, level) {
    let [number, node, parent] = [ROOT, pages.readNode(ROOT), undefined]
    while (node.level > level) {
      parent = number
      number = pageIn(node.entries[childAt(node, key)])
      const child = pages.readNode(number)
      if (!isFor(child, key, node.level - 1)) return undefined
      node = child
    }
    return { number, node, parent }
  }

  /** The node of a level that has the key, as it was a moment ago, and its parent's number. The root, if it is lower. */
  function find(key, level = 0) {
    for (;;) {
      const found = descend(key, level)
      if (found !== undefined) return found
    }
  }
  const tree = { pages, find }

  /** Calls `fn` with the pages of the leaves that have these keys, and their nodes by key, all latched. */
  function atLeaves(keys, fn) {
    for (;;) {
      const numbers = [...new Set(keys.map((key) => find(key).number))]
      const result = pages.update(numbers, (...latched) => {
        const nodes = latched.map((page) => page.node)
        const leaves = keys.map((key) => nodes.find((node) => isFor(node, key, 0)))
        if (leaves.includes(undefined)) return undefined // another thread was faster
        return { value: fn(leaves, () => latched.forEach((page, i) => (page.node = nodes[i]))) }
      })
      if (result !== undefined) return result.value
    }
  }

  /** The value of a key, or undefined. */
  const get = (key) => valueIn(find(key).node, key)

  /** The values of some keys at one moment. */
  const getAll = (keys) => atLeaves(keys, (leaves) => leaves.map((leaf, i) => valueIn(leaf, keys[i])))

  /** Sets keys, `[key, value]`, or deletes them if the value is undefined: all at one moment. Durable after a flush. */
  function write(changes) {
    for (const [key, value] of changes)
      if (key.length > KEY_MAX || value?.length > VALUE_MAX)
        throw new RangeError('the key or the value is too long')
    const keys = changes.map(([key]) => key)
    for (;;) {
      const { full, small } = atLeaves(keys, (leaves, store) => {
        leaves.forEach((leaf, i) => setIn(leaf, ...changes[i]))
        const full = keys.find((_, i) => !fits(leaves[i]))
        if (full === undefined) store()
        return { full, small: keys.filter((_, i) => changes[i][1] === undefined && isSmall(leaves[i])) }
      })
      if (full === undefined) return small.forEach((key) => join(tree, key, 0))
      split(tree, full, 0)
    }
  }

  /** All keys from `from` on and before `to`, in order, with their values. Each page is read at a moment of its own. */
  function* scan(from = Buffer.alloc(0), to = undefined) {
    for (let next = from; next !== undefined && (to === undefined || next.compare(to) < 0);) {
      const { node } = find(next)
      for (const [key, value] of node.entries)
        if (key.compare(from) >= 0 && (to === undefined || key.compare(to) < 0)) yield [key, value]
      next = node.high
    }
  }

  return { pages, get, getAll, write, scan }
}
