// Splitting nodes. Each split is one update of the pages that it concerns, and leaves a whole tree; so a crash between two of
// them costs nothing. What was found before the update is looked at again in it: if another thread was faster, nothing is
// done, and the caller looks again.

import { childAt, separator } from './entries.mjs'
import { bytesOf, hasRoom, isFor, isLarge } from './node.mjs'
import { MAP, ROOT } from './page-map.mjs'

function halves(node) {
  const half = bytesOf(node) / 2
  const { entries } = node
  let middle = 1
  while (middle < entries.length - 1 && bytesOf({ ...node, entries: entries.slice(0, middle) }) < half)
    middle++
  const high = entries[middle][0]
  return [
    { ...node, high, entries: entries.slice(0, middle) },
    { ...node, low: high, entries: entries.slice(middle) },
  ]
}

/** Splits the node of this level that has the key, or one above it that has to have room first. */
export function split({ pages, find }, key, level) {
  const { number, node, parent } = find(key, level)
  if (node.level !== level) return
  if (parent === undefined) return splitRoot(pages, level)
  const up = pages.readNode(parent)
  if (up === undefined) return
  if (!hasRoom(up)) return split({ pages, find }, key, level + 1)
  const [free] = pages.findFree(1, [parent, number])
  pages.update([MAP, parent, number, free], (map, above, left, right) => {
    const [node, up] = [left.node, above.node]
    if (map.map.has(free) || !isFor(node, key, level) || !isFor(up, key, level + 1)) return
    if (!isLarge(node) || !hasRoom(up)) return
    const [first, second] = halves(node)
    up.entries.splice(childAt(up, key) + 1, 0, separator(second.low, free))
    map.changeMap([free], true)
    ;[above.node, left.node, right.node] = [up, first, second]
  })
}

/** The root stays in its page: both halves move to others. */
function splitRoot(pages, level) {
  const free = pages.findFree(2)
  pages.update([MAP, ROOT, ...free], (map, root, left, right) => {
    const { node } = root
    if (free.some((page) => map.map.has(page)) || node.level !== level || !isLarge(node)) return
    const [first, second] = halves(node)
    map.changeMap(free, true)
    ;[left.node, right.node] = [first, second]
    root.node = {
      ...node,
      level: level + 1,
      entries: [separator(first.low, free[0]), separator(second.low, free[1])],
    }
  })
}
