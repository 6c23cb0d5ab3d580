// The records of the crash test. Each begins with its key, and has bytes and a length that follow from the key.

/** A key is `life.thread.count`. */
export function recordFor(key) {
  const count = Number(key.slice(key.lastIndexOf('.') + 1))
  return Buffer.from(`${key};`.repeat(1 + ((count * 37) % 300)))
}

export const keyOf = (record) => record.toString('latin1', 0, record.indexOf(';'))
