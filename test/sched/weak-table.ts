// The table of the weak memory, shared by the threads of a schedule: the writes of each word, and what each thread has seen.
// A thread uses it only while it has the turn.

import { THREADS_MAX } from './control.js'

/** More writes than any run of a body makes. */
const ENTRIES_MAX = 2 ** 17
/** Words that threads wait for. */
const LISTS_MAX = 256
const META = 4

/** The bytes of a table for a memory of so many words. */
export const tableBytes = (words: number): number => newTable(words).bytes

/** Views of the table in `buffer`; without one, only its size. */
export function newTable(words: number, buffer?: SharedArrayBuffer) {
  let bytes = 0
  const take = (length: number): Int32Array => {
    const start = bytes
    bytes += length * 4
    return buffer === undefined ? new Int32Array() : new Int32Array(buffer, start, length)
  }
  const perThread = () => take(THREADS_MAX)
  const perEntry = () => take(ENTRIES_MAX)
  const counts = take(META)
  const table = {
    /** The newest write of each word, 0 if there is none. */
    head: take(words),
    /** The words with writes. */
    touched: take(words),
    /** The newest write of a word that a thread has seen, by thread and word. */
    seen: take(words * THREADS_MAX),
    value: perEntry(),
    /** The one before it of the same word. */
    previous: perEntry(),
    writer: perEntry(),
    isAtomicWrite: perEntry(),
    /** When it becomes visible to others. */
    from: perEntry(),
    by: perEntry(),
    /** The next atomic write of its thread. */
    releasedBy: perEntry(),
    /** Its number among the writes of its thread, and for an atomic one the clocks of its thread. */
    clock: perEntry(),
    clocks: take(ENTRIES_MAX * THREADS_MAX),
    /** The earliest time at which a plain load, and an atomic one, may take its value. */
    floor: perThread(),
    floorAtomic: perThread(),
    /** A thread's writes up to this one are visible to all. */
    flushed: perThread(),
    /** A thread's last atomic write. */
    released: perThread(),
    /** The clocks of each thread. */
    tick: take(THREADS_MAX * THREADS_MAX),
    /** The list of waiters of a word, and for each the time and the clocks of its last visitor. */
    listOf: take(words),
    lists: take(LISTS_MAX * (THREADS_MAX + 1)),
  }
  const meta = {
    get entries(): number {
      return counts[0]!
    },
    /** The index of the mode in MODES. */
    get mode(): number {
      return counts[3]!
    },
    set mode(index: number) {
      counts[3] = index
    },
    get lists(): number {
      return counts[1]!
    },
    set lists(count: number) {
      if (count >= LISTS_MAX) throw new Error('too many words that threads wait for')
      counts[1] = count
    },
  }
  return {
    ...table,
    meta,
    bytes,
    /** Makes a new write the newest of its word. */
    newEntry(at: number): number {
      const entry = ++counts[0]!
      if (entry >= ENTRIES_MAX) throw new Error('too many writes')
      if (table.head[at] === 0) table.touched[counts[2]!++] = at
      table.previous[entry] = table.head[at]!
      table.head[at] = entry
      return entry
    },
    /** As before the first write. */
    reset(): void {
      for (let i = 0; i < counts[2]!; i++) {
        const at = table.touched[i]!
        table.head[at] = table.listOf[at] = 0
        for (let thread = 0; thread < THREADS_MAX; thread++) table.seen[thread * words + at] = 0
      }
      counts.fill(0, 0, 3)
      for (const all of [
        table.floor,
        table.floorAtomic,
        table.flushed,
        table.released,
        table.tick,
        table.lists,
      ])
        all.fill(0)
    },
  }
}
