// Joining nodes that have become small. As a split, each is one update, which looks again at what was found before.

import { childAt, pageIn } from './entries.mjs'
import { isFor, isJoinable, isSmall } from './node.mjs'
import { MAP, ROOT } from './page-map.mjs'

/** Joins the node of this level that has the key with a neighbour, if both are small enough, and then its parent, and so on. */
export function join({ pages, find }, key, level) {
  const { node, parent } = find(key, level)
  if (node.level !== level || !isSmall(node)) return
  if (parent === undefined) return level > 0 ? lowerRoot(pages) : undefined
  const up = pages.readNode(parent)
  if (!isFor(up, key, level + 1) || up.entries.length < 2) return
  const at = Math.max(1, childAt(up, key))
  const [leftPage, rightPage] = [pageIn(up.entries[at - 1]), pageIn(up.entries[at])]
  const isJoined = pages.update([MAP, parent, leftPage, rightPage], (map, above, left, right) => {
    const up = above.node
    if (!isFor(up, key, level + 1) || up.entries.length <= at) return false
    if (pageIn(up.entries[at - 1]) !== leftPage || pageIn(up.entries[at]) !== rightPage) return false
    const [first, second] = [left.node, right.node]
    const joined = { ...first, high: second.high, entries: [...first.entries, ...second.entries] }
    if (!isJoinable(joined)) return false
    up.entries.splice(at, 1)
    map.changeMap([rightPage], false)
    ;[above.node, left.node, right.node] = [up, joined, undefined]
    return true
  })
  if (isJoined) join({ pages, find }, key, level + 1)
}

/** A root with one child takes its place. */
function lowerRoot(pages) {
  const { level, entries } = pages.readNode(ROOT)
  if (level === 0 || entries.length > 1) return
  const child = pageIn(entries[0])
  pages.update([MAP, ROOT, child], (map, root, only) => {
    const { node } = root
    if (node.level !== level || node.entries.length > 1 || pageIn(node.entries[0]) !== child) return
    map.changeMap([child], false)
    ;[root.node, only.node] = [only.node, undefined]
  })
}
