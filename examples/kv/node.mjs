// A node of the tree, and its form in a page of 4096 bytes. Leaves have level 0:
//
//   level + 1 (0: the page is free) | 0 | number of entries | length of low | length of high | low | high | entries
//   an entry: length of the key | length of the value | key | value                            1, 1, and 2 bytes for each other
//
// A node has the keys from `low` on and before `high`, its fences; the last node of a level has no `high`. The value of an
// entry of an inner node is the number of a page, and its key is that page's `low`.
//
// A node is decoded whole, which costs some microseconds and keeps this short. A faster store would search in the page.

export const PAGE = 4096
export const KEY_MAX = 64
export const VALUE_MAX = 512

const HEADER = 8
const ENTRY = 4
const NO_HIGH = 0xffff
/** A node has room for one more entry of its parent's kind: a key and a page number. */
const SEPARATOR = ENTRY + KEY_MAX + 4

/** @returns undefined for a free page */
export function decode(bytes) {
  if (bytes[0] === 0) return undefined
  let at = HEADER
  const take = (length) => bytes.subarray(at, (at += length))
  const highLength = bytes.readUInt16LE(6)
  const low = take(bytes.readUInt16LE(4))
  const high = highLength === NO_HIGH ? undefined : take(highLength)
  const entries = Array.from({ length: bytes.readUInt16LE(2) }, () => {
    const lengths = take(ENTRY)
    return [take(lengths.readUInt16LE(0)), take(lengths.readUInt16LE(2))]
  })
  return { level: bytes[0] - 1, low, high, entries }
}

export function encode({ level, low, high, entries }) {
  const bytes = Buffer.alloc(PAGE)
  let at = HEADER
  const put = (part) => (at += part.copy(bytes, at))
  bytes[0] = level + 1
  ;[entries.length, low.length, high?.length ?? NO_HIGH].forEach((n, i) => bytes.writeUInt16LE(n, 2 + 2 * i))
  ;[low, high ?? Buffer.alloc(0)].forEach(put)
  for (const [key, value] of entries) {
    at = bytes.writeUInt16LE(key.length, at)
    at = bytes.writeUInt16LE(value.length, at)
    ;[key, value].forEach(put)
  }
  return bytes
}

const bytesOfEntry = ([key, value]) => ENTRY + key.length + value.length
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0)
export const bytesOf = ({ low, high, entries }) =>
  HEADER + low.length + (high?.length ?? 0) + sum(entries.map(bytesOfEntry))

export const fits = (node) => bytesOf(node) <= PAGE
export const hasRoom = (node) => bytesOf(node) + SEPARATOR <= PAGE
/** Only large nodes are split, and only small ones joined: the sizes are far apart, so that neither undoes the other. */
export const isLarge = (node) => bytesOf(node) > PAGE / 2
export const isSmall = (node) => bytesOf(node) < PAGE / 4
export const isJoinable = (node) => bytesOf(node) <= (PAGE * 3) / 4

/** Whether this is the node of its level that has the key. As there is only one, no other check is needed. */
export const isFor = (node, key, level) =>
  node?.level === level &&
  node.low.compare(key) <= 0 &&
  (node.high === undefined || node.high.compare(key) > 0)
