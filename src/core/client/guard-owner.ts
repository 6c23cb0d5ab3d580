/**
 * What a guard uses of the partition that it belongs to, and of that thread's hit path. Types only: the classes that implement
 * them (partition.ts, hit-path.ts) create guards, and guards call them, so one of the two directions has to go by a type.
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
   * A guard to read, if the block is simply there and a journal entry is free. `sync`: How.SYNC or 0. Takes no lock, never waits.
   * @throws what is wrong with a cache that is not open
   */
  readonly read: (
    partition: GuardOwner,
    keyHigh: number,
    block: number,
    sync: number,
  ) => BlockGuard | undefined
  /** As copyHit. */
  readonly copy: (keyHigh: number, keyLow: number, span: Span, target: Uint8Array) => boolean
  /** Counts a hit, and tells the policy of it. */
  readonly used: (frame: FrameIndex) => void
  /** Gives a pin and its journal entry back. @requires the pin */
  readonly unpin: (frame: FrameIndex, entry: number) => void
  /** The segment in which a frame's bytes are. */
  readonly bytes: (frame: FrameIndex) => Uint8Array<SharedArrayBuffer>
  /** Where in it they begin. */
  readonly offset: (frame: FrameIndex) => number
}
