/**
 * Read-ahead: sees that one thread reads one partition in sequence, and asks the reader (reader.ts) for what comes next.
 * Private to the thread; told of its misses, and of the use of one block, the marker.
 *
 *   IDLE    no sequence. Misses one behind the other, as many as needed --> AHEAD
 *   AHEAD   the blocks start .. end-1 were asked for, and the marker is the first of the last window. When it is used,
 *           the next window is asked for, twice as large, so that the reader is one ahead. After misses elsewhere: IDLE. So
 *           it is after some windows of which half were not there in time, or not any more; then a longer sequence is
 *           needed than before, in which the thread reads several blocks with one call itself
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
/** Blocks that a thread which is ahead of the reader reads at once. */
const TOGETHER_MAX = 32
/** Windows in a row that come too late. The first ones do where the reader has to wake up, and the disk is fast. */
const BAD_MAX = 3
/** Of all frames, a window's: three are under way at most, and must fit into the tenth that is new blocks' in `2q`. */
const WINDOW_SHARE = 1 / 40

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

  /**
   * The thread reads blocks itself that were not there. Told before it does, since the reader can work beside it; returns
   * how many blocks from `block` on it should read together, 1 where it is no sequence.
   */
  missed(block: number, count = 1): number {
    if (this.#windowMax === 0) return count
    const isNext = block === this.#next
    this.#next = block + count
    if (this.#window > 0) {
      if (block >= this.#start && block < this.#end) return this.#missedOfWindow(block, count)
      if (isNext && block === this.#end) {
        this.#goOn()
        return count
      }
      if (!isNext && ++this.#strays > STRAYS_MAX) this.#stop()
    }
    this.#row = isNext ? this.#row + 1 : 1
    if (this.#row < this.#needed) return this.#row < NEEDED_MIN ? count : this.#alone(block, count)
    this.#row = 0
    this.#bad = 0
    this.#late = 0
    this.#window = Math.min(this.#windowMax, Math.max(WINDOW_MIN, 2 * count))
    const together = Math.max(count, Math.min(this.#window, this.#blocks - block))
    this.#next = this.#start = this.#end = block + together
    this.#goOn()
    return together
  }

  /** The reader has not come here yet, or what it brought is gone: the thread reads as much as the reader would. */
  #missedOfWindow(block: number, count: number): number {
    const together = Math.max(count, Math.min(TOGETHER_MAX, this.#end - block))
    this.#next = block + together
    const { marker } = this
    if (block < marker) this.#late += Math.min(this.#next, marker) - block
    if (block <= marker && this.#next > marker) {
      this.reached()
      this.#late += this.#next - Math.max(block, marker) // those of the window that has begun with it
    }
    return together
  }

  /** The reader was of no use, but one call for several blocks is. */
  #alone(block: number, count: number): number {
    const together = Math.max(count, Math.min(TOGETHER_MAX, this.#windowMax, this.#blocks - block))
    this.#next = block + together
    return together
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

  /**
   * The thread has come to a block that the reader is just loading: it is faster than the reader, and may load itself what
   * would be asked for next, where it would sleep. Where that begins and how many blocks, at most `most`; 0 if it is as far
   * ahead as it may be.
   */
  help(block: number, most: number): { block: number; count: number } {
    const isAhead = this.#window > 0 && block >= this.#start && block < this.#end
    const room = this.marker + 2 * this.#window - this.#end
    const count = isAhead ? Math.min(most, room, this.#blocks - this.#end) : 0
    const help = { block: this.#end, count: Math.max(0, count) }
    this.#end += help.count
    return help
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
