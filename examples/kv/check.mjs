// Checks a whole tree while no thread changes it: fences, order, levels, and that each page is either reachable once or free.

import { pageIn } from './entries.mjs'
import { bytesOf, PAGE } from './node.mjs'
import { MAP, ROOT } from './page-map.mjs'

function must(condition, page, what) {
  if (!condition) throw new Error(`page ${page}: ${what}`)
}

const isSame = (a, b) => (a === undefined || b === undefined ? a === b : a.equals(b))

/** Returns the keys and values of all leaves, in order. @throws at the first thing that does not hold */
export function checkTree({ pages }) {
  const reached = new Set([MAP])
  const found = []

  function visit(page, level, low, high) {
    must(page < pages.count && !reached.has(page), page, 'it is reachable twice, or does not exist')
    reached.add(page)
    const node = pages.readNode(page)
    must(node !== undefined, page, 'it is reachable and free')
    must(level === undefined || node.level === level, page, `it has level ${node.level}, not ${level}`)
    must(
      isSame(node.low, low) && isSame(node.high, high),
      page,
      'its fences are not those that its parent says',
    )
    must(bytesOf(node) <= PAGE, page, 'it is too large')
    const keys = node.entries.map(([key]) => key)
    for (const [i, key] of keys.entries()) {
      must(i === 0 || keys[i - 1].compare(key) < 0, page, `entry ${i} is not in order`)
      must(low.compare(key) <= 0 && (!high || key.compare(high) < 0), page, `entry ${i} is out of its fences`)
    }
    if (node.level === 0) return void node.entries.forEach((entry) => found.push(entry))
    must(keys.length > 0 && keys[0].equals(low), page, 'its first child does not begin where it does')
    node.entries.forEach((entry, i) => visit(pageIn(entry), node.level - 1, entry[0], keys[i + 1] ?? high))
  }

  visit(ROOT, undefined, Buffer.alloc(0), undefined)
  const map = pages.readMap()
  for (let page = 0; page < pages.count; page++) {
    must(
      map.has(page) === reached.has(page),
      page,
      map.has(page) ? 'it is in use and not reachable' : 'it is free and reachable',
    )
    if (!map.has(page)) must(pages.readNode(page) === undefined, page, 'it is free and has a node')
  }
  return { found, pages: reached.size }
}
