/**
 * A thread's views of the frames for one block size, made when first asked for and kept: a guard's `data` is a look into two
 * arrays. Memory grows with the frames that the thread has seen, not with the pool, the partitions and the threads.
 *
 * Cost: 8 bytes for each 1024 frames when a thread attaches, 8 KiB for a part in which it has seen a frame, and a typed array
 * (about 150 bytes) for each frame seen.
 */
import type { Arena } from '../shared/arena.js'
import type { FrameIndex } from '../shared/indices.js'

const SHIFT = 10
const PART = 1 << SHIFT

type View = Uint8Array<SharedArrayBuffer>

export class FrameViews {
  readonly #arena: Arena
  readonly #blockSize: number
  /** As long as it can get: an array that grows at random places becomes a hash table. */
  readonly #parts: ((View | undefined)[] | undefined)[]

  constructor(arena: Arena, blockSize: number) {
    this.#arena = arena
    this.#blockSize = blockSize
    this.#parts = new Array<(View | undefined)[] | undefined>(Math.ceil(arena.geometry.blocks / PART))
  }

  get(frame: FrameIndex): View {
    return this.#parts[frame >>> SHIFT]?.[frame & (PART - 1)] ?? this.#make(frame)
  }

  #make(frame: FrameIndex): View {
    const part = (this.#parts[frame >>> SHIFT] ??= new Array<View | undefined>(PART))
    return (part[frame & (PART - 1)] = this.#arena.view(frame, this.#blockSize))
  }
}
