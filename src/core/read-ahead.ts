/**
 * Read-ahead: sees that one thread reads one partition in sequence, and asks the reader (reader.ts) for what comes next.
 * Private to the thread; told of its misses, and of the use of one block, the marker.
 *
 *   IDLE    no sequence. Misses one behind the other, as many as needed --> AHEAD
 *   AHEAD   the blocks start .. end-1 were asked for, and the marker is the first of the last window. When it is used,
 *           the next window is asked for, twice as large, so that the reader is one ahead. After misses elsewhere: IDLE. So
 *           it is after some windows of which half were not there in time, or not any more; then a longer sequence is
 *           needed than before
 *
 * A hit costs one comparison, with the marker.
 */

/** Misses in a row that begin a sequence, at first and at most. */
const NEEDED_MIN = 3
const NEEDED_MAX = 64
/** Blocks of the first window; where there is no room for it, nothing is read ahead. */
const WINDOW_MIN = 4
/** Misses elsewhere that a sequence stands. */
const STRAYS_MAX = 8
/** Windows in a row that come too late. The first ones do where the reader has to wake up, and the disk is fast. */
const BAD_MAX = 3
/** Of all frames, a window's: two are under way at a time, and they must fit among the tenth that is new blocks' in `2q`. */
const WINDOW_SHARE = 1 / 32

/** How many blocks a window may have. */
export function windowMax(frames: number, readAheadBytes: number, blockSize: number): number {
  const most = Math.min(Math.floor(readAheadBytes / blockSize), Math.floor(frames * WINDOW_SHARE))
  return most < WINDOW_MIN ? 0 : most
}

export class ReadAhead {
  /** The block whose use asks for the next window; -1 none. */
  marker = -1
  readonly #blocks: number
  readonly #windowMax: number
  readonly #ask: (block: number, count: number) => void
  /** Blocks of the last window, 0 when there is none. */
  #window = 0
  #start = 0
  #end = 0
  /** Blocks from start on that were not there when they were needed, and windows in a row of which half were not. */
  #late = 0
  #bad = 0
  #strays = 0
  /** The block that would go on with the last miss, and how many misses have come one behind the other. */
  #next = -1
  #row = 0
  #needed = NEEDED_MIN

  /** `windowMax` 0 is off. `ask` is told which blocks will be needed. */
  constructor(blocks: number, windowMax: number, ask: (block: number, count: number) => void) {
    this.#blocks = blocks
    this.#windowMax = windowMax
    this.#ask = ask
  }

  /** The thread reads blocks itself that were not there. Before it does: the reader can work beside it. */
  missed(block: number, count = 1): void {
    if (this.#windowMax === 0) return
    const isNext = block === this.#next
    this.#next = block + count
    if (this.#window > 0) {
      const isOfWindow = block >= this.#start && block < this.#end
      const isMarker = block <= this.marker && this.#next > this.marker
      if (isOfWindow && block < this.marker) this.#late += count
      if (isMarker) this.reached()
      if (isMarker || isOfWindow) return
      if (isNext && block === this.#end) {
        this.#goOn()
        return
      }
      if (!isNext && ++this.#strays > STRAYS_MAX) this.#stop()
    }
    this.#row = isNext ? this.#row + 1 : 1
    if (this.#row < this.#needed) return
    this.#row = 0
    this.#bad = 0
    this.#late = 0
    this.#window = Math.min(this.#windowMax, Math.max(WINDOW_MIN, 2 * count))
    this.#start = this.#end = this.#next
    this.#goOn()
  }

  /** The marker was used. */
  reached(): void {
    const passed = this.marker - this.#start
    this.#start = this.marker
    if (2 * this.#late > passed) {
      this.#bad++
    } else if (passed > 0) {
      this.#bad = 0
      this.#needed = NEEDED_MIN
    }
    if (this.#bad > BAD_MAX) {
      this.#stop()
      this.#needed = Math.min(2 * this.#needed, NEEDED_MAX)
      return
    }
    this.#window = Math.min(2 * this.#window, this.#windowMax)
    this.#goOn()
  }

  /** Asks for a window behind the last one. */
  #goOn(): void {
    const count = Math.min(this.#window, this.#blocks - this.#end)
    if (count <= 0) {
      this.#stop()
      return
    }
    this.#late = 0
    this.#strays = 0
    this.marker = this.#end
    this.#end += count
    this.#ask(this.marker, count)
  }

  #stop(): void {
    this.marker = -1
    this.#window = 0
    this.#strays = 0
  }
}
