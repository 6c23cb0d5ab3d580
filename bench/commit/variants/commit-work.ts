/**
 * What the variants of a commit share. Each lane changes blocks of its own, a few with each commit, and checks after every slice
 * that its last commit can be read.
 */

/** Bytes of a block, or of a value. */
export const BLOCK_SIZE = 4096

export interface CommitWork {
  /** A file or a folder of the variant alone. */
  readonly path: string
  readonly isDurable: boolean
  /** Blocks of one commit. */
  readonly size: number
  /** A multiple of `size`. */
  readonly blocksOfLane: number
}

/** The commits of a lane, one after the other. */
export class Commits {
  /** What every block of the present commit has. Its first four bytes are the number of the commit. */
  readonly image = Buffer.alloc(BLOCK_SIZE)
  /** The blocks of the present commit. */
  readonly blocks: number[]
  readonly #first: number
  readonly #blocksOfLane: number
  #time = 0

  constructor({ size, blocksOfLane }: CommitWork, lane: number) {
    this.blocks = Array.from({ length: size }, () => 0)
    this.#first = lane * blocksOfLane
    this.#blocksOfLane = blocksOfLane
  }

  next(): void {
    const size = this.blocks.length
    const start = (this.#time++ * size) % this.#blocksOfLane
    for (let i = 0; i < size; i++) this.blocks[i] = this.#first + start + i
    this.image.fill(this.#time)
    this.image.writeInt32LE(this.#time)
  }

  /** @throws if a block of the last commit is not what was committed */
  check(read: (block: number) => Uint8Array | undefined): void {
    for (const block of this.#time === 0 ? [] : this.blocks) {
      const bytes = read(block)
      if (bytes === undefined || this.image.compare(bytes) !== 0)
        throw new Error(`block ${block} does not have commit ${this.#time}`)
    }
  }
}
