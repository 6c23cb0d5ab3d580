/**
 * A thread's client: the public calls that concern the whole cache.
 */
import { show } from '../../shared/values.js'
import { stateName } from '../../shared/engine-state.js'
import { CacheError } from '../../shared/errors.js'
import type { BlockGuard, BlockName, CacheClient, GuardsOf } from '../../shared/interface.js'
import type { AbortOptions, FlushScope, WaitOptions } from '../../shared/options.js'
import type {
  CacheStats,
  Holder,
  PoolMap,
  ThreadInfo,
  TraceOptions,
  TraceRecord,
} from '../../shared/reports.js'
import { detachSlot } from '../../shared/slot.js'
import { setSlotName } from '../../shared/slot-name.js'
import type { FrameIndex } from '../../shared/indices.js'
import { readTrace, TRACE } from '../../shared/trace.js'
import { inSlices } from '../../shared/steps.js'
import { runAsync, runSync } from '../../shared/wait.js'
import { runCall } from './call.js'
import { throwIfAborted } from './call-options.js'
import { commit } from './commit.js'
import { check, checkInSteps } from '../inspect/check.js'
import { blockOf, type Context, partitionOf } from '../context.js'
import { buryThread } from '../wait/deaths.js'
import { INSPECT, namesText } from './describe.js'
import { type MissPath, missPath } from '../blocks/miss-path.js'
import type { HitPath } from './guard-owner.js'
import { hitPath } from './hit-path.js'
import { isStanding, standingError } from '../standing.js'
import { holders, holdersInSteps } from '../inspect/holders.js'
import { poolMap } from '../inspect/pool-map.js'
import { threads } from '../inspect/threads.js'
import { classNumber } from './guard.js'
import { PartitionClient } from './partition.js'
import { assertBlocks } from './ranges.js'
import { flush, type FlushTarget, kick } from '../changes/rounds.js'
import { Leader } from '../write-back/leader.js'
import { stats } from '../inspect/stats.js'
import { type Body, update, updateSync } from './update.js'
import { markOrphaned } from '../wait/watch.js'
import { EngineState, Header, Slot } from '../../shared/words.js'

export class Client implements CacheClient {
  protected readonly context: Context
  /** Those that this thread has asked for. */
  readonly #partitions = new Map<string, PartitionClient>()
  readonly #hits: HitPath
  readonly #misses: MissPath
  readonly #detached: () => void
  /** For flushes that block: their rounds may run on this thread. */
  readonly #leader: Leader | undefined
  #isDetached = false

  /** `detached` is called after the thread has released its slot. */
  constructor(context: Context, detached: () => void = () => undefined) {
    this.context = context
    this.#detached = detached
    this.#leader = context.mayBlock ? new Leader(context) : undefined
    this.#hits = hitPath(context)
    this.#misses = missPath(context)
    if (context.isTraced) context.tracer.record(TRACE['proc.attach'], 0, 0, context.slot.index)
  }

  get isDetached(): boolean {
    return this.#isDetached
  }

  /** Whether the cache is closed, or its owner has ended, so that this client is of no use any more. */
  get isClosed(): boolean {
    const state = this.context.words[Header.state]
    return state === EngineState.CLOSED || state === EngineState.ORPHANED
  }

  partition(name: string): PartitionClient {
    const known = this.#partitions.get(name)
    if (known !== undefined && isStanding(this.context, known.view)) return known
    const view = this.context.partitions.named(name)
    if (view === undefined) {
      this.#partitions.delete(name)
      throw new CacheError(
        'ERR_DCACHE_UNKNOWN_PARTITION',
        `no partition ${show(name)}; there are ${namesText(this.#names())}`,
      )
    }
    standingError(this.context, view, 0) // so that the first call finds that it stands
    if (known?.view === view) return known
    const partition = new PartitionClient(this.context, view, this.#hits, this.#misses)
    this.#partitions.set(name, partition)
    return partition
  }

  #names(): string[] {
    return this.context.partitions.all().map(({ name }) => name)
  }

  commit(...guards: BlockGuard[]): void {
    commit(this.context, guards)
  }

  async update<const B extends readonly BlockName[], T>(
    blocks: B,
    fn: (guards: GuardsOf<B>) => T | Promise<T>,
    options?: WaitOptions,
  ): Promise<T> {
    return update(this.context, (name) => this.partition(name), blocks, fn as Body<T | Promise<T>>, options)
  }

  updateSync<const B extends readonly BlockName[], T>(
    blocks: B,
    fn: (guards: GuardsOf<B>) => T,
    options?: WaitOptions,
  ): T {
    return updateSync(this.context, (name) => this.partition(name), blocks, fn as Body<T>, options)
  }

  async flush(scope?: FlushScope): Promise<void> {
    await runCall(this.context, flush(this.context, this.#targetsOf(scope)))
  }

  flushSync(scope?: FlushScope): void {
    runSync(flush(this.context, this.#targetsOf(scope), undefined, this.#leader), this.context.mayBlock)
  }

  /** Renames this thread, as errors and `holders()` show it. */
  rename(name: string): void {
    setSlotName(this.context.arena, this.context.slot.index, name)
  }

  kick(): void {
    this.#assertUsable()
    for (let group = 0; group < this.context.arena.geometry.groups; group++) kick(this.context, group)
  }

  check(): string[] {
    this.#assertUsable()
    return check(this.context)
  }

  async checkInSteps(options?: AbortOptions): Promise<string[]> {
    this.#assertUsable()
    throwIfAborted(options)
    const steps = inSlices(checkInSteps(this.context), () => {
      this.context.assertRunning()
    })
    return runCall(this.context, steps, options?.signal)
  }

  threads(): ThreadInfo[] {
    return threads(this.context)
  }

  holders(): Holder[] {
    return holders(this.context)
  }

  async holdersInSteps(options?: AbortOptions): Promise<Holder[]> {
    throwIfAborted(options)
    // It needs no slot, so it is no call that keeps the thread from detaching.
    return runAsync(
      inSlices(holdersInSteps(this.context), () => undefined),
      options?.signal,
    )
  }

  stats(): CacheStats {
    return stats(this.context)
  }

  poolMap(options?: { readonly cells?: number }): PoolMap {
    return poolMap(this.context, options)
  }

  trace(options?: TraceOptions): TraceRecord[] {
    return readTrace(this.context.arena, options)
  }

  detach(): void {
    if (this.#isDetached) return
    const { arena, slot, tracer, isTraced } = this.context
    if (slot.calls > 0) {
      throw new CacheError(
        'ERR_DCACHE_GUARDS_HELD',
        `${slot.calls} asynchronous call(s) of this thread are under way; await them before detaching`,
      )
    }
    if (slot.guards > 0) {
      throw new CacheError(
        'ERR_DCACHE_GUARDS_HELD',
        `this thread holds ${slot.guards} guard(s); release them before detaching`,
      )
    }
    if (isTraced) tracer.record(TRACE['proc.detach'], 0, 0, slot.index)
    this.#isDetached = true
    detachSlot(arena, slot)
    this.#detached()
  }

  toJSON(): object {
    return { state: this.#state(), partitions: this.#names() }
  }

  [INSPECT](): string {
    return `Cache { ${this.#state()}, ${namesText(this.#names())} }`
  }

  #state(): string {
    return this.#isDetached ? 'detached' : (stateName(this.context.words) ?? 'opening')
  }

  /** Called when a worker of this thread has ended. If it was the owner, whose slot is the first, the cache is an orphan. */
  threadEnded(threadId: number): void {
    const { words, arena } = this.context
    if (words[arena.slotAt(0) + Slot.threadId] === threadId) markOrphaned(this.context)
    else buryThread(arena, threadId)
  }

  [Symbol.dispose](): void {
    this.detach()
  }

  /** Converts a scope to groups and blocks. @throws ERR_DCACHE_UNKNOWN_PARTITION, _OUT_OF_RANGE, _BAD_OPTION */
  #targetsOf(scope: FlushScope | undefined): FlushTarget[] {
    this.#assertUsable()
    const { arena, words } = this.context
    const last = scope?.through === undefined ? 0 : classNumber(this.context, scope.through)
    const through = last === 0 || last === this.context.writeOrder.length ? undefined : last
    if (scope?.partition === undefined) {
      if (scope?.block !== undefined || scope?.count !== undefined) {
        throw new CacheError(
          'ERR_DCACHE_BAD_OPTION',
          'the flush scope has a block or count, but no partition; name it',
        )
      }
      if (scope?.group !== undefined) return [{ group: this.#groupOf(scope.group), through }]
      return Array.from({ length: arena.geometry.groups }, (_, group) => ({ group, through }))
    }
    const { view } = this.partition(scope.partition)
    if (scope.group !== undefined && this.#groupOf(scope.group) !== view.group) {
      throw new CacheError(
        'ERR_DCACHE_BAD_OPTION',
        `the flush scope has partition ${show(scope.partition)} and group ${show(scope.group)}, of which it is not; leave one of them out`,
      )
    }
    const first = scope.block ?? 0
    const count = scope.count ?? (scope.block === undefined ? view.blocks : 1)
    assertBlocks(view, first, count)
    const covers = (frame: FrameIndex): boolean => {
      const at = arena.frameAt(frame)
      const block = blockOf(words, at)
      return partitionOf(words, at) === view.index && block >= first && block < first + count
    }
    return [{ group: view.group, covers, through }]
  }

  /** @throws ERR_DCACHE_BAD_OPTION */
  #groupOf(name: string): number {
    const { groups } = this.context
    const group = groups.indexOf(name)
    if (group >= 0) return group
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      `no group ${show(name)}; there are ${groups.map(show).join(', ')}`,
    )
  }

  /** Runs an inspection in slices. `goOn` throws if the next one must not begin. */
  #assertUsable(): void {
    if (this.#isDetached) throw new CacheError('ERR_DCACHE_CLOSED', 'this thread is detached from the cache')
    this.context.assertRunning()
  }
}
