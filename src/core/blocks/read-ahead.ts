/**
 * Read-ahead: detects that a thread reads a partition sequentially, and asks the reader thread (reader.ts) for the next
 * blocks. The object is private to its thread, which reports its misses, and the use of one block, the marker.
 *
 *   IDLE    no sequence. After enough misses in a row --> AHEAD
 *   AHEAD   the blocks start .. end-1 were requested, and the marker is the first block of the last window. When it is used, the next
 *           window is requested, twice as large, so that the reader stays one window ahead. Misses elsewhere --> IDLE. Several windows
 *           in a row of which half was filled too late, or evicted too early --> IDLE; the next sequence must then be longer to count,
 *           and until then the thread itself reads several blocks per call
 *
 * A hit costs one comparison, with the marker.
 */

/** Misses in a row that count as a sequence: at first, and at most. */
const NEEDED_MIN = 3
const NEEDED_MAX = 64
/** Blocks of the first window. If the cache is too small for it, nothing is read ahead. */
const WINDOW_MIN = 4
/** Misses elsewhere that do not end a sequence. */
const STRAYS_MAX = 8
/** Blocks per call of a thread that has overtaken the reader. */
const TOGETHER_MAX = 32
/** Late windows in a row that are tolerated. The first ones are late if the reader has to wake up and the disk is fast. */
const BAD_MAX = 3
/** A window's share of all frames. Up to three are under way, and must fit into the tenth that policy `adaptive` has for new blocks. */
const WINDOW_SHARE = 1 / 40

/** The largest window, in blocks; 0 if nothing is read ahead. */
export function windowMax(frames: number, readAheadBytes: number, blockSize: number): number {
  const most = Math.min(Math.floor(readAheadBytes / blockSize), Math.floor(frames * WINDOW_SHARE))
  return most < WINDOW_MIN ? 0 : most
}

export class ReadAhead {
  /** When this block is used, the next window is requested; -1 none. */
  marker = -1
  readonly #blocksNow: () => number
  readonly #windowMax: () => number
  readonly #ask: (block: number, count: number) => void
  /** Blocks of the last window; 0 if there is none. */
  #window = 0
  #start = 0
  #end = 0
  /** Blocks from `start` on that were absent when they were needed; and windows in a row of which half was. */
  #late = 0
  #bad = 0
  #strays = 0
  /** The block that would follow the last miss, and the number of misses in a row. */
  #next = -1
  #row = 0
  #needed = NEEDED_MIN

  /** `blocksNow` returns the size of the partition. `windowMax` returns the largest window; 0 is no read-ahead. `ask` requests blocks from the reader. */
  constructor(blocksNow: () => number, windowMax: () => number, ask: (block: number, count: number) => void) {
    this.#blocksNow = blocksNow
    this.#windowMax = windowMax
    this.#ask = ask
  }

  /**
   * Reports `count` absent blocks that the thread is about to read. It is called before the read, so that the reader works
   * concurrently. Returns how many blocks from `block` on the thread should read together; `count` if this is not a sequence.
   */
  missed(block: number, count = 1): number {
    const windowMax = this.#windowMax()
    if (windowMax === 0) return count
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
    this.#window = Math.min(windowMax, Math.max(WINDOW_MIN, 2 * count))
    const together = Math.max(count, Math.min(this.#window, this.#blocksNow() - block))
    this.#next = this.#start = this.#end = block + together
    this.#goOn()
    return together
  }

  /**
   * A miss in a window: the reader is late, or its blocks were evicted. The thread reads as many blocks as the reader would.
   */
  #missedOfWindow(block: number, count: number): number {
    const together = Math.max(count, Math.min(TOGETHER_MAX, this.#end - block))
    this.#next = block + together
    const { marker } = this
    if (block < marker) this.#late += Math.min(this.#next, marker) - block
    if (block <= marker && this.#next > marker) {
      this.reached()
      this.#late += this.#next - Math.max(block, marker) // those of the window that begins there
    }
    return together
  }

  /** A sequence in which the reader was no help, but one call for several blocks is. */
  #alone(block: number, count: number): number {
    const together = Math.max(count, Math.min(TOGETHER_MAX, this.#windowMax(), this.#blocksNow() - block))
    this.#next = block + together
    return together
  }

  /** Reports that the marker was used. */
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
    this.#window = Math.min(2 * this.#window, this.#windowMax())
    this.#goOn()
  }

  /**
   * For a thread that has reached a block that the reader is filling: it is faster than the reader, so it may itself fill
   * blocks that would be requested next, instead of sleeping. Returns the first of them and their number, up to `most`; 0 if
   * the thread is as far ahead as it may be.
   */
  help(block: number, most: number): { block: number; count: number } {
    const isAhead = this.#window > 0 && block >= this.#start && block < this.#end
    const room = this.marker + 2 * this.#window - this.#end
    const count = isAhead ? Math.min(most, room, this.#blocksNow() - this.#end) : 0
    const help = { block: this.#end, count: Math.max(0, count) }
    this.#end += help.count
    return help
  }

  /** Requests the next window, behind the last one. */
  #goOn(): void {
    const count = Math.min(this.#window, this.#blocksNow() - this.#end)
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
