/**
 * A guard: one pinned and latched block, good for one release. Guards are never pooled: a late release of an old one
 * must not hit the next holder.
 */
import { CacheError } from '../shared/errors.js'
import { show } from '../shared/config.js'
import type { BlockGuard, Mode } from '../shared/interface.js'
import type { FrameIndex } from '../shared/struct.js'
import { TRACE } from '../shared/trace.js'
import { unpinFrame } from './hit.js'
import type { Core } from './core.js'
import type { PartitionClient } from './partition.js'
import { discardChange, releaseChanged, releaseUnchanged } from './release.js'

export class Guard implements BlockGuard {
  readonly partition: PartitionClient
  readonly block: number
  readonly mode: Mode
  readonly #core: Core
  readonly #frame: FrameIndex
  readonly #entry: number
  /** Whether its thread may sleep for it: it came from a Sync call. */
  readonly #isSync: boolean
  /** 1 + place of the class in writeOrder; 0 not marked. */
  #writeClass = 0
  #isReleased = false

  constructor(
    partition: PartitionClient,
    core: Core,
    block: number,
    mode: Mode,
    frame: FrameIndex,
    entry: number,
    isSync: boolean,
  ) {
    this.partition = partition
    this.block = block
    this.mode = mode
    this.#core = core
    this.#frame = frame
    this.#entry = entry
    this.#isSync = isSync
  }

  get data(): Uint8Array {
    if (this.#isReleased) throw this.#late('its data was asked for')
    return this.#core.view(this.partition.view, this.#frame)
  }

  get bytes(): Uint8Array {
    if (this.#isReleased) throw this.#late('its bytes were asked for')
    return this.#core.arena.segment(this.#frame)
  }

  get offset(): number {
    if (this.#isReleased) throw this.#late('its offset was asked for')
    return this.#core.arena.offset(this.#frame)
  }

  markDirty(writeClass?: string): void {
    if (this.#isReleased) throw this.#late('it was marked dirty')
    if (this.mode === 'read') {
      throw new CacheError(
        'ERR_DCACHE_GUARD_MODE',
        `block ${this.block} of '${this.partition.name}' was acquired to read: markDirty needs modify or overwrite`,
      )
    }
    this.#writeClass = classNumber(this.#core, writeClass)
  }

  discard(): void {
    this.#end('it was discarded')
    if (this.mode === 'read') unpinFrame(this.#core, this.#frame, this.#entry)
    else discardChange(this.#core, this.partition.view.group, this.#frame, this.#maySleep)
    this.#core.slot.giveEntry(this.#entry)
  }

  release(): void {
    this.#end('it was released')
    const { tracer } = this.#core
    if (tracer.on)
      tracer.record(TRACE['block.release'], this.partition.view.index, this.block, this.#writeClass)
    if (this.mode === 'read') unpinFrame(this.#core, this.#frame, this.#entry)
    else if (this.#writeClass === 0)
      releaseUnchanged(this.#core, this.partition.view.group, this.#frame, this.#maySleep)
    else releaseChanged(this.#core, this.partition.view.group, this.#frame, this.#writeClass, this.#maySleep)
    this.#core.slot.giveEntry(this.#entry)
  }

  /** For `using`: releases, unless that was done already. */
  [Symbol.dispose](): void {
    if (!this.#isReleased) this.release()
  }

  get #maySleep(): boolean {
    return this.#isSync && this.#core.mayBlock
  }

  #end(what: string): void {
    if (this.#isReleased) throw this.#late(what)
    this.#isReleased = true
  }

  #late(what: string): CacheError {
    return new CacheError(
      'ERR_DCACHE_GUARD_RELEASED',
      `the guard of block ${this.block} of '${this.partition.name}' was released before ${what}`,
    )
  }
}

/** 1 + place in writeOrder; the first class when none is named. @throws ERR_DCACHE_UNKNOWN_CLASS */
export function classNumber(core: Core, writeClass: string | undefined): number {
  const place = writeClass === undefined ? 0 : core.writeOrder.indexOf(writeClass)
  if (place < 0) {
    throw new CacheError(
      'ERR_DCACHE_UNKNOWN_CLASS',
      `no write class ${show(writeClass)}; there are ${core.writeOrder.join(', ')}`,
    )
  }
  return place + 1
}
