/**
 * The latch of one frame, used as a thread of the cache uses it, but without blocks and partitions.
 */
import { Arena } from '#dist/shared/arena.js'
import { CacheError } from '#dist/shared/errors.js'
import { tryLatch, tryPin, unpin } from '#dist/shared/latch.js'
import { type Entered, LatchQueue } from '#dist/shared/latch-queue.js'
import { attachSlot, type ThreadSlot } from '#dist/shared/slot.js'
import { Deadline, runSync, type Slow } from '#dist/shared/wait.js'

const FRAME = 0

/** Creates the memory of a latch for up to `threads` threads. */
export function latchMemory(threads: number): SharedArrayBuffer {
  const geometry = { blocks: 8, spares: 1, loans: 0, frameSize: 512, partitions: 1, groups: 1, slots: threads, stripes: 1, buckets: 8, traceEntries: 0, classes: 1, ghostWords: 0, writers: 1 } // prettier-ignore
  return Arena.create(geometry, 0, 0).buffer
}

export class OneLatch {
  readonly arena: Arena
  readonly queue: LatchQueue
  readonly slot: ThreadSlot
  readonly at: number
  /** The journal entry for pins that had to wait. */
  readonly entry: number
  /** How often a call had to wait. */
  waits = 0

  /** `thread` counts from 0; each number may be used once. */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.arena = Arena.open({ buffer }, 0, 0)
    this.slot = attachSlot(this.arena, thread, thread + 1, thread + 1)
    this.queue = new LatchQueue(this.arena, thread, this.slot.published)
    this.at = this.arena.latchAt(FRAME)
    this.entry = this.slot.takeEntry()
  }

  get word(): number {
    return this.arena.words[this.at]!
  }

  latch(timeoutMs?: number): void {
    if (!tryLatch(this.arena.words, this.at, this.slot.index)) this.#wait('modify', timeoutMs)
  }

  unlatch(): void {
    this.queue.unlatch(FRAME)
  }

  pin(timeoutMs?: number): void {
    if (!tryPin(this.arena.words, this.at)) this.#wait('read', timeoutMs)
  }

  unpin(): void {
    if (unpin(this.arena.words, this.at)) this.queue.unpinned(FRAME)
  }

  downgrade(): void {
    this.queue.downgrade(FRAME)
  }

  #wait(kind: 'read' | 'modify', timeoutMs?: number): void {
    this.waits++
    runSync(this.waiting(kind, timeoutMs), true)
  }

  /** The slow path that waits for the latch. */
  *waiting(kind: 'read' | 'modify', timeoutMs?: number, still = () => true): Slow<Entered> {
    const call = {}
    return yield* this.queue.wait({
      call,
      kind,
      frame: FRAME,
      takeEntry: () => this.entry,
      lendEntry: () => undefined,
      deadline: new Deadline(timeoutMs),
      sleeps: true,
      publish: () => {
        this.slot.waits(call, kind, FRAME, true)
      },
      mayPass: () => false,
      still,
      expired: () => new CacheError('ERR_DCACHE_TIMEOUT', `the latch stood at 0x${this.word.toString(16)}`),
    })
  }
}
