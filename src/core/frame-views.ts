/**
 * A thread's views of the frames for one block size. A view is created when it is first used and is then kept, so that a
 * guard's `data` is two array lookups. Memory grows with the frames that the thread has used, not with the size of the pool.
 *
 * Cost: 8 bytes per 1024 frames when a thread attaches, 8 KiB per group of 1024 frames in which it has used a frame, and a
 * typed array (about 150 bytes) per frame used.
 */
import type { Arena } from '../shared/arena.js'
import type { FrameIndex } from '../shared/indices.js'

const SHIFT = 10
const PART = 1 << SHIFT

type View = Uint8Array<SharedArrayBuffer>

export class FrameViews {
  readonly #arena: Arena
  readonly #blockSize: number
  /** Allocated at full length: V8 turns an array that grows at random indices into a hash table. */
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
