// What the program writes, and what has to hold of it.
//
// A writer (a thread of one run of the program) writes batches 1, 2, 3, ... of pairs of keys. The two keys of a pair are far
// apart in the tree, are written at one moment, and have the same value. A batch also deletes the pairs of an older one, and
// writes a pair that other threads write too. After its flush all of that is acknowledged.

const PAIRS = 5
/** A batch with an odd number is deleted by the batch that is this much later. */
const LATER = 20
const SHARED_PAIRS = 8

const isDeletedBy = (batch, present) => batch % 2 === 1 && batch + LATER <= present

/** `writer/batch/number` behind digits that spread the keys, one of them from the end. */
function keysOf(name) {
  let hash = 0
  for (const character of name) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) >>> 0
  const digits = (Math.imul(hash, 2654435761) >>> 0).toString(16).padStart(8, '0')
  return [`a${digits}/${name}`, `b${[...digits].reverse().join('')}/${name}`].map((key) => Buffer.from(key))
}
const valueOf = (name) =>
  Buffer.from(`${name};`.repeat(1 + ((name.length * name.charCodeAt(name.length - 1)) % 20)))
const namesIn = (writer, batch) => Array.from({ length: PAIRS }, (_, i) => `${writer}/${batch}/${i}`)
const inBoth = ([first, second], value) => [[first, value], [second, value]] // prettier-ignore

/** Writes a batch. Returns when it is durable. */
export function writeBatch(store, writer, batch) {
  for (const name of namesIn(writer, batch)) store.write(inBoth(keysOf(name), valueOf(name)))
  if (isDeletedBy(batch - LATER, batch))
    for (const name of namesIn(writer, batch - LATER)) store.write(inBoth(keysOf(name), undefined))
  store.write(inBoth(keysOf(`shared/${batch % SHARED_PAIRS}`), Buffer.from(`${writer} ${batch}`)))
  store.flush()
}

/** Reads a pair that other threads write at this moment. */
export function checkShared(store, batch) {
  const values = store.getAll(keysOf(`shared/${batch % SHARED_PAIRS}`))
  if (String(values[0]) !== String(values[1])) throw new Error(`half a pair: ${values.join(' and ')}`)
}

/**
 * Checks all keys and values of a store. `acknowledged`: for each writer its last acknowledged batch; if undefined, any may
 * be there. A batch that was not acknowledged may be there in part, but never half of a pair.
 */
export function checkAll(found, acknowledged) {
  const values = new Map(found.map(([key, value]) => [String(key), String(value)]))
  const lastOf = (writer) => (acknowledged === undefined ? Infinity : (acknowledged.get(writer) ?? 0))
  for (const [key, value] of values) {
    const name = key.slice(key.indexOf('/') + 1)
    const [writer, batch] = name.split('/')
    const pair = keysOf(name).map(String)
    if (!pair.includes(key) || pair.some((other) => values.get(other) !== value))
      throw new Error(`${key}: half a pair`)
    if (writer === 'shared') continue
    if (value !== String(valueOf(name))) throw new Error(`${key} has another value`)
    if (Number(batch) > lastOf(writer) + 1) throw new Error(`${key} was never written`)
    if (acknowledged !== undefined && isDeletedBy(Number(batch), lastOf(writer)))
      throw new Error(`${key} was deleted`)
  }
  let count = 0
  for (const [writer, last] of acknowledged ?? [])
    for (let batch = 1; batch <= last; batch++) {
      if (isDeletedBy(batch, last + 1)) continue // or is being deleted
      for (const key of namesIn(writer, batch).flatMap(keysOf)) {
        if (!values.has(String(key))) throw new Error(`${key} was acknowledged, and is not there`)
        count++
      }
    }
  return count
}
