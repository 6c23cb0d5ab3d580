// Weak memory: what a load may return other than the newest value. Every word keeps the writes of a schedule in their
// order (coherence), and a load picks one of them, as a decision of the explorer. Pick 0 is the newest: without stale
// loads the memory is sequentially consistent.
//
// Modes, that is what the engine's plain accesses and Atomics calls are compiled to:
//
//   arm   arm64 with single-instruction atomics: LDR, STR, LDAR, STLR, and LDADDAL and the like, which are full barriers
//   llsc  arm64 without them: LDAXR and STLXR in a loop, which later plain accesses may pass
//   js    the memory model of ECMAScript, approximated: plain accesses are ordered by happens-before only
//
// arm and llsc follow the multi-copy-atomic model of Armv8 (Pulte et al., "Simplifying ARM Concurrency", 2018), with the
// number of writes so far as the time. A write becomes visible to all other threads at one moment in [from, by]: a plain
// store at any time after the last acquire of its thread and before its next release, an atomic one at any time between
// itself and its thread's next atomic operation; a single-instruction update at once. A load takes its value at any time
// after its thread's last acquire (a plain one), or after the last atomic operation (an atomic one). A load that does not see a
// write shows that the write becomes visible later than that. Dependencies order nothing here, although they do on the
// processor: that adds schedules.
//
// In all modes a load returns the newest write that happens before it, or a later one; vector clocks tell. In js that is all,
// and that an atomic load does not return an older write than the newest atomic one. Reads of a word by a thread never go
// back.

import { At, STALES_MAX, THREADS_MAX } from './control.js'
import { newTable } from './weak-table.js'
import type { Turns } from './turns.js'
import type { Words } from '#atomics'

export const MODES = ['arm', 'llsc', 'js'] as const
export type Mode = (typeof MODES)[number]

/** The initial contents and what is written past the model: every thread knows it. */
const ALL = -1
const NEVER = 0x7fffffff

/** One thread's hands on the weak memory. All threads of a schedule share its table. */
export class WeakMemory {
  readonly #turns: Turns
  readonly #me: number
  readonly #all: Words
  readonly #table: ReturnType<typeof newTable>

  constructor(turns: Turns, table: SharedArrayBuffer, memory: SharedArrayBuffer) {
    this.#turns = turns
    this.#me = turns.me
    this.#all = new Int32Array(memory)
    this.#table = newTable(this.#all.length, table)
  }

  get #mode(): Mode {
    return MODES[this.#table.meta.mode]!
  }

  plainLoad(at: number): number {
    const { head } = this.#table
    // Most words are never written in a schedule.
    if (head[at] === 0) return this.#all[at]!
    const entry = this.#pick(at, false)
    this.#seen(at, entry)
    return this.#table.value[entry]!
  }

  plainStore(at: number, value: number): void {
    const { floor, from, clock, tick } = this.#table
    const previous = this.#newest(at)
    const entry = this.#append(at, value, this.#me)
    from[entry] = Math.max(floor[this.#me]!, from[previous]!)
    clock[entry] = ++tick[this.#me * THREADS_MAX + this.#me]!
  }

  load(at: number): number {
    const entry = this.#pick(at, true)
    this.#acquire(at, entry)
    return this.#table.value[entry]!
  }

  store(at: number, value: number): void {
    this.#newest(at)
    this.#release(this.#append(at, value, this.#me), false)
  }

  /** A read-modify-write: of the newest value. It writes only what changes it. */
  update(at: number, to: (old: number) => number): number {
    const newest = this.#newest(at)
    const old = this.#table.value[newest]!
    this.#acquire(at, newest)
    const value = to(old)
    if (value === old) return old
    this.#release(this.#append(at, value, this.#me), this.#mode === 'arm')
    return old
  }

  /** A compare-and-swap: if it fails, it is no more than an atomic load. */
  compareExchange(at: number, expected: number, value: number): number {
    const entry = this.#pick(at, true, expected)
    const old = this.#table.value[entry]!
    if (old === expected) return this.update(at, () => value)
    this.#acquire(at, entry)
    return old
  }

  /** Enters and leaves the critical section of a word's list of waiters, as every wait and notify does. */
  visitWaiters(at: number): void {
    const { listOf, lists, floor, floorAtomic, meta } = this.#table
    this.#newest(at)
    if (listOf[at] === 0) listOf[at] = ++meta.lists
    const list = listOf[at]! * (THREADS_MAX + 1)
    floor[this.#me] = Math.max(floor[this.#me]!, lists[list]!)
    floorAtomic[this.#me] = Math.max(floorAtomic[this.#me]!, lists[list]!)
    this.#join(lists, list + 1)
    this.#flush()
    lists[list] = meta.entries
    for (let i = 0; i < THREADS_MAX; i++) lists[list + 1 + i] = this.#table.tick[this.#me * THREADS_MAX + i]!
  }

  /** Called by who learns of a thread's end: it and all that follow see all that the thread did. */
  learnEnd(thread: number): void {
    const { floor, floorAtomic, tick, meta } = this.#table
    this.#flush(thread)
    floor[this.#me] = floorAtomic[this.#me] = meta.entries
    this.#join(tick, thread * THREADS_MAX)
  }

  /** Decides which write a load sees; `expected` is a value that only the newest may have. */
  #pick(at: number, isAtomic: boolean, expected?: number): number {
    const newest = this.#newest(at)
    const { control } = this.#turns
    if (control[At.stales] === 0) return newest
    const { value, previous, from, floorAtomic, released } = this.#table
    if (isAtomic) floorAtomic[this.#me] = Math.max(floorAtomic[this.#me]!, from[released[this.#me]!]!)
    const options = [newest]
    for (let entry = newest; options.length <= STALES_MAX && !this.#isLast(at, entry, isAtomic);) {
      entry = previous[entry]!
      // Another value, or it makes no difference.
      if (value[entry] !== value[options.at(-1)!] && value[entry] !== expected) options.push(entry)
    }
    const entry = this.#turns.decide(options)
    if (entry !== newest) {
      this.#delay(newest, entry, isAtomic)
      control[At.stales]!--
      this.#turns.note('stale', at, value[entry]!)
    }
    return entry
  }

  /** The writes of a word that a load did not see are visible later than it, and so is what releases them. */
  #delay(newest: number, seen: number, isAtomic: boolean): void {
    const { previous, from, releasedBy, floor, floorAtomic } = this.#table
    const earliest = (isAtomic ? floorAtomic : floor)[this.#me]!
    for (let entry = newest; entry !== seen; entry = previous[entry]!)
      for (let write = entry; write !== 0; write = releasedBy[write]!)
        from[write] = Math.max(from[write]!, earliest)
  }

  /** Whether a load cannot see a write older than this one. */
  #isLast(at: number, entry: number, isAtomic: boolean): boolean {
    const { seen, writer, clock, isAtomicWrite, tick, floor, floorAtomic } = this.#table
    const me = this.#me
    const thread = writer[entry]!
    if (thread === ALL || entry <= seen[me * this.#all.length + at]!) return true
    if (clock[entry]! <= tick[me * THREADS_MAX + thread]!) return true
    if (this.#mode === 'js') return isAtomic && isAtomicWrite[entry] === 1
    return this.#visibleBy(entry) <= (isAtomic ? floorAtomic[me]! : floor[me]!)
  }

  /** When a write is visible to all at the latest: it precedes what releases it. */
  #visibleBy(entry: number): number {
    const { by, releasedBy } = this.#table
    let release = entry
    do release = releasedBy[release]!
    while (release !== 0 && by[release] === NEVER)
    return Math.min(by[entry]!, release === 0 ? NEVER : by[release]!)
  }

  /** Reads with acquire: what follows is later than the write that it saw. The thread's own last release is visible by now. */
  #acquire(at: number, entry: number): void {
    const { from, by, floor, floorAtomic, isAtomicWrite, clocks, released, meta } = this.#table
    const me = this.#me
    this.#seen(at, entry)
    by[released[me]!] = Math.min(by[released[me]!]!, meta.entries)
    floorAtomic[me] = Math.max(floorAtomic[me]!, from[entry]!)
    floor[me] = Math.max(floor[me]!, floorAtomic[me])
    if (isAtomicWrite[entry] === 1) this.#join(clocks, entry * THREADS_MAX)
  }

  /** Writes with release: what precedes it is visible with it. As a barrier, what follows is later than it. */
  #release(entry: number, isBarrier: boolean): void {
    const { from, by, writer, flushed, releasedBy, isAtomicWrite, clock, clocks, tick } = this.#table
    const { floor, floorAtomic, released } = this.#table
    const me = this.#me
    for (let i = flushed[me]! + 1; i < entry; i++) if (writer[i] === me) releasedBy[i] = entry
    flushed[me] = entry - 1
    from[entry] = floorAtomic[me] = released[me] = entry
    if (isBarrier) by[entry] = floor[me] = entry
    isAtomicWrite[entry] = 1
    clock[entry] = ++tick[me * THREADS_MAX + me]!
    for (let i = 0; i < THREADS_MAX; i++) clocks[entry * THREADS_MAX + i] = tick[me * THREADS_MAX + i]!
  }

  /** All that a thread has written is visible from now on. */
  #flush(thread = this.#me): void {
    const { by, writer, flushed, released, meta } = this.#table
    const now = meta.entries
    by[released[thread]!] = Math.min(by[released[thread]!]!, now)
    for (let entry = flushed[thread]! + 1; entry <= now; entry++)
      if (writer[entry] === thread) by[entry] = Math.min(by[entry]!, now)
    flushed[thread] = now
  }

  /** Notes that this thread has seen a write. If it is another thread's, it is visible to all by now. */
  #seen(at: number, entry: number): void {
    const { seen, by, writer, meta } = this.#table
    const i = this.#me * this.#all.length + at
    seen[i] = Math.max(seen[i]!, entry)
    if (writer[entry] !== this.#me && by[entry] === NEVER) by[entry] = meta.entries
  }

  #join(clocks: Int32Array, from: number): void {
    const { tick } = this.#table
    const to = this.#me * THREADS_MAX
    for (let i = 0; i < THREADS_MAX; i++) tick[to + i] = Math.max(tick[to + i]!, clocks[from + i]!)
  }

  /** The newest write of a word; made up when it is the first, or when the word was written past the model. */
  #newest(at: number): number {
    const { head, value } = this.#table
    if (head[at] === 0 || value[head[at]!] !== this.#all[at]) this.#append(at, this.#all[at]!, ALL)
    return head[at]!
  }

  #append(at: number, value: number, thread: number): number {
    const table = this.#table
    const entry = table.newEntry(at)
    table.value[entry] = value
    table.writer[entry] = thread
    table.by[entry] = thread === ALL ? 0 : NEVER
    table.releasedBy[entry] = 0
    table.from[entry] = 0
    table.isAtomicWrite[entry] = 0
    table.clock[entry] = 0
    this.#all[at] = value
    if (thread !== ALL) table.seen[thread * this.#all.length + at] = entry
    return entry
  }
}
