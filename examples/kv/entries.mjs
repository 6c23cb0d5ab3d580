// The entries of a node: pairs of a key and a value, in the order of their keys.

/** The first entry whose key is not before this one, or the number of entries. */
export const positionOf = ({ entries }, key) => {
  const at = entries.findIndex((entry) => entry[0].compare(key) >= 0)
  return at < 0 ? entries.length : at
}
/** Which entry of an inner node leads to the key: the last one that is not behind it. */
export const childAt = (node, key) => {
  const at = positionOf(node, key)
  return node.entries[at]?.[0].equals(key) ? at : at - 1
}

/** Entries of inner nodes. */
export const pageIn = ([, value]) => value.readUInt32LE()
export function separator(key, page) {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(page)
  return [key, value]
}

/** Of a leaf. */
export function valueIn(leaf, key) {
  const entry = leaf.entries[positionOf(leaf, key)]
  return entry?.[0].equals(key) ? entry[1] : undefined
}

/** Sets the value of a key in a leaf; undefined deletes it. */
export function setIn(leaf, key, value) {
  const at = positionOf(leaf, key)
  const isThere = leaf.entries[at]?.[0].equals(key) ? 1 : 0
  leaf.entries.splice(at, isThere, ...(value === undefined ? [] : [[key, value]]))
}
