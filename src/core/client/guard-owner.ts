/**
 * What a guard uses of its partition and of its thread's hit path. Types only: the classes that implement them (partition.ts,
 * hit-path.ts) create guards, and guards call them, so types break the circle of imports.
 */
import type { BlockGuard, Partition } from '../../shared/interface.js'
import type { FrameIndex } from '../../shared/indices.js'
import type { Span } from '../blocks/copy.js'
import type { Context, PartitionView } from '../context.js'

/** A partition as its guards see it. */
export interface GuardOwner extends Partition {
  readonly context: Context
  readonly view: PartitionView
  readonly hits: HitPath
}

export interface HitPath {
  /**
   * Acquires a block to read, if it is cached, not latched, and a journal entry is free; else returns undefined. `sync`:
   * How.SYNC or 0. Takes no lock, never waits.
   * @throws what `standingError` returns
   */
  readonly read: (
    partition: GuardOwner,
    keyHigh: number,
    block: number,
    sync: number,
  ) => BlockGuard | undefined
  /** As copyHit. */
  readonly copy: (
    view: PartitionView,
    keyHigh: number,
    keyLow: number,
    span: Span,
    target: Uint8Array,
  ) => boolean
  /** Counts a hit, and reports it to the policy. */
  readonly used: (view: PartitionView, frame: FrameIndex) => void
  /** Releases a pin and its journal entry. @requires the pin */
  readonly unpin: (frame: FrameIndex, entry: number) => void
  /** The segment that contains a frame's bytes. */
  readonly bytes: (frame: FrameIndex) => Uint8Array<SharedArrayBuffer>
  /** The byte offset of a frame in its segment. */
  readonly offset: (frame: FrameIndex) => number
}
