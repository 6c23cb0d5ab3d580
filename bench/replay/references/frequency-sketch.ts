/**
 * Estimates how often blocks were used lately: a count-min sketch of four rows of counters up to 15, which are halved after each
 * sample of uses (G. Einziger, R. Friedman and B. Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on
 * Storage 13, 2017). A row has four to eight counters for each block of the cache, so few blocks share all of theirs.
 */

const ROWS = 4
const COUNT_MOST = 15
const COUNTERS_A_BLOCK = 4

export class FrequencySketch {
  readonly #rows: Uint8Array
  readonly #mask: number
  readonly #sample: number
  #uses = 0

  /** For a cache of this many blocks. `sample`: how many uses are counted before all counts are halved. */
  constructor(blocks: number, sample: number) {
    let width = 16
    while (width < blocks * COUNTERS_A_BLOCK) width *= 2
    this.#mask = width - 1
    this.#rows = new Uint8Array(width * ROWS)
    this.#sample = sample
  }

  count(id: number): void {
    let isCounted = false
    for (let row = 0; row < ROWS; row++) {
      const at = this.#place(id, row)
      if (this.#rows[at]! < COUNT_MOST) {
        this.#rows[at]!++
        isCounted = true
      }
    }
    if (isCounted && ++this.#uses >= this.#sample) this.#halve()
  }

  estimate(id: number): number {
    let least = COUNT_MOST
    for (let row = 0; row < ROWS; row++) least = Math.min(least, this.#rows[this.#place(id, row)]!)
    return least
  }

  #halve(): void {
    const rows = this.#rows
    for (let i = 0; i < rows.length; i++) rows[i]! >>>= 1
    this.#uses >>>= 1
  }

  /** The counter of a block in a row; a hash of its own for each row. */
  #place(id: number, row: number): number {
    let hash = Math.imul(id + 1, 0x9e3779b1) ^ Math.imul(row + 1, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
    hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b)
    return row * (this.#mask + 1) + ((hash ^ (hash >>> 16)) & this.#mask)
  }
}
