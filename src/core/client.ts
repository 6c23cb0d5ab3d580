/**
 * A thread's client: the public calls that are about the whole cache.
 */
import { show } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { CacheClient, CacheStats, FlushScope, Holder, TraceRecord } from '../shared/interface.js'
import { detachSlot } from '../shared/slot.js'
import { readTrace, TRACE } from '../shared/trace.js'
import { runAsync, runSync } from '../shared/wait.js'
import { check } from './check.js'
import type { Core } from './core.js'
import { PartitionClient } from './partition.js'
import { assertBlocks } from './ranges.js'
import { flush, kick } from './rounds.js'
import { holders, stats } from './stats.js'

export class Client implements CacheClient {
  protected readonly core: Core
  readonly #partitions: ReadonlyMap<string, PartitionClient>
  #isDetached = false

  constructor(core: Core) {
    this.core = core
    this.#partitions = new Map(core.partitions.map((view) => [view.name, new PartitionClient(core, view)]))
    if (core.tracer.on) core.tracer.record(TRACE['proc.attach'], 0, 0, core.slot.index)
  }

  get isDetached(): boolean {
    return this.#isDetached
  }

  partition(name: string): PartitionClient {
    const partition = this.#partitions.get(name)
    if (partition === undefined) {
      throw new CacheError(
        'ERR_DCACHE_UNKNOWN_PARTITION',
        `no partition ${show(name)}; there are ${[...this.#partitions.keys()].join(', ')}`,
      )
    }
    return partition
  }

  async flush(scope?: FlushScope): Promise<void> {
    const groups = this.#groupsOf(scope)
    await runAsync(flush(this.core, groups))
  }

  flushSync(scope?: FlushScope): void {
    runSync(flush(this.core, this.#groupsOf(scope)), this.core.mayBlock)
  }

  kick(): void {
    this.#assertUsable()
    for (let group = 0; group < this.core.arena.geometry.groups; group++) kick(this.core, group)
  }

  check(): string[] {
    this.#assertUsable()
    return check(this.core)
  }

  holders(): Holder[] {
    return holders(this.core)
  }

  stats(): CacheStats {
    return stats(this.core)
  }

  trace(): TraceRecord[] {
    return readTrace(this.core.arena)
  }

  detach(): void {
    if (this.#isDetached) return
    const { arena, slot, tracer } = this.core
    if (slot.guards > 0) {
      throw new CacheError(
        'ERR_DCACHE_GUARDS_HELD',
        `this thread holds ${slot.guards} guard(s); release them before it detaches`,
      )
    }
    if (tracer.on) tracer.record(TRACE['proc.detach'], 0, 0, slot.index)
    this.#isDetached = true
    detachSlot(arena, slot)
  }

  [Symbol.dispose](): void {
    this.detach()
  }

  /**
   * The groups whose rounds cover a scope. A round writes the whole cut of its group, which is more than was asked for
   * and never wrong.
   */
  #groupsOf(scope: FlushScope | undefined): number[] {
    this.#assertUsable()
    if (scope?.partition === undefined) {
      if (scope?.block !== undefined || scope?.count !== undefined) {
        throw new CacheError('ERR_DCACHE_BAD_OPTION', 'a flush of blocks names their partition')
      }
      return Array.from({ length: this.core.arena.geometry.groups }, (_, group) => group)
    }
    const { view } = this.partition(scope.partition)
    if (scope.block !== undefined) assertBlocks(view, scope.block, scope.count ?? 1)
    return [view.group]
  }

  #assertUsable(): void {
    if (this.#isDetached) throw new CacheError('ERR_DCACHE_CLOSED', 'this thread is detached from the cache')
    this.core.assertRunning()
  }
}
