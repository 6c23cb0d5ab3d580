/**
 * The host: runs the engine on the owner's thread, over files and memory that open-cache.ts has opened, and stops everything
 * again.
 *
 *   start flush worker -> OPEN
 *   OPEN --close: no guards, flush--> CLOSING --still no guards, flush, journals in place--> CLOSED
 *        -> engine threads stopped -> journals finished -> files closed
 *   OPEN --abandon--> CLOSED, without a flush
 *   OPEN --flush worker ends repeatedly--> BROKEN: nothing is written any more; abandon lists what is lost
 *
 * Stopping takes some seconds at most, whatever other threads do. A descriptor that a system call may still use is not
 * closed, because the system would reuse its number for another file: a warning names it, and it is closed when the call
 * returns.
 */
import { load } from '#atomics'
import { performance } from 'node:perf_hooks'
import { threadId, type Worker } from 'node:worker_threads'
import { runCall } from '../core/client/call.js'
import { Client } from '../core/client/client.js'
import { wakeAll } from '../core/context.js'
import { buryGone, hasEnded } from '../core/wait/deaths.js'
import { describeHandle } from '../core/client/describe.js'
import { evictClean } from '../core/blocks/forget.js'
import { eventsOf } from '../core/format.js'
import { lostBlocks } from '../core/inspect/lost.js'
import { retry } from '../core/changes/retry.js'
import { flush } from '../core/changes/rounds.js'
import { placeAll } from '../core/changes/stop-records.js'
import type { Arena } from '../shared/arena.js'
import { type Config, parseWarm } from '../shared/config.js'
import { changeState, setState } from '../shared/engine-state.js'
import { CacheError } from '../shared/errors.js'
import type { BlockCache, CacheEvents, CacheHandle, Partition } from '../shared/interface.js'
import type { CloseOptions, DropOptions, LiveOptions, PartitionOptions } from '../shared/options.js'
import type { JournalRecovery, LostBlock } from '../shared/reports.js'
import { firstClientSlot, OWNER_SLOT, VERSION } from '../shared/layout.js'
import { attachSlot, guardsOf } from '../shared/slot.js'
import { threadText } from '../shared/slot-name.js'
import { TRACE } from '../shared/trace.js'
import { Deadline, runAsync, SLICE_MS } from '../shared/wait.js'
import { watchWorker } from './adopt.js'
import { contextOf, forgetClient, registerClient } from './attach.js'
import { Crew } from './crew.js'
import type { Claims } from './claims.js'
import type { PartitionFile } from './files.js'
import { serveCalls } from './owner-calls.js'
import type { OwnerJournals } from './owner-journals.js'
import { Partitions } from './partitions.js'
import { LiveSettings } from './live-settings.js'
import { Listeners } from './listeners.js'
import { pause } from './pause.js'
import { watchSubscribers } from './round-news.js'
import { warnOfMemory } from './surroundings.js'
import { Warmth } from './warmth.js'
import { EngineState, Header, Slot, SlotState } from '../shared/words.js'

/** Milliseconds that stopping waits for system calls, and for each kind of engine thread. */
const STOP_PATIENCE_MS = 5000

/** What the owner has opened for the cache. */
export interface Opened {
  readonly files: readonly PartitionFile[]
  readonly claims: Claims
  readonly journals: OwnerJournals
}

export class Host extends Client implements BlockCache {
  readonly handle: CacheHandle
  readonly #listeners = new Listeners(this)
  readonly #parts: Partitions
  readonly #journals: OwnerJournals
  readonly #stopCalls: () => void
  readonly #crew: Crew
  readonly #settings: LiveSettings
  readonly #warm: string | undefined
  readonly #warmth: Warmth
  readonly #reading = new AbortController()
  #stopping: Promise<void> | undefined
  /** Why the journals could not be finished. */
  #unfinished: Error | undefined
  #closing: Promise<void> | undefined

  constructor(config: Config, { id, arena }: { id: string; arena: Arena }, opened: Opened) {
    const handle: CacheHandle = {
      dcache: VERSION,
      id,
      buffer: arena.buffer,
      memory: arena.memory,
      writeOrder: config.writeOrder,
      groups: config.groups,
      policy: config.policy,
      journals: opened.journals.handles,
    }
    describeHandle(handle)
    const slot = attachSlot(arena, OWNER_SLOT, OWNER_SLOT + 1, threadId, 'owner')
    arena.words[slot.at + Slot.neverBlocks] = 1
    super(contextOf(handle, arena, slot, false))
    this.handle = handle
    const parts = (this.#parts = new Partitions(this.context, config, opened))
    this.#journals = opened.journals
    this.context.resize = (view, what, blocks, timeoutMs) => parts.resize(view, what, blocks, timeoutMs)
    this.#stopCalls = serveCalls(id, ({ what, partition, generation, blocks, timeoutMs }) =>
      parts.resize(parts.viewOf(partition, generation), what, blocks, timeoutMs),
    )
    this.#settings = new LiveSettings(this.context, config)
    this.#warm = config.warm
    this.#warmth = new Warmth(this.context, config.warmBytesPerSecond)
    const news = { failed: this.#listeners.failed, gaveUp: (error: unknown) => this.#breakDown(error) }
    this.#crew = new Crew(this.context, handle, { writeBytes: config.writeBytes }, news)
    registerClient(id, this)
  }

  /** @throws ERR_DCACHE_WORKER_DIED; then `stop` must follow */
  async start(): Promise<void> {
    await this.#crew.start()
    warnOfMemory(this.context.arena.bytesInUse)
    void this.#readEvents()
    watchSubscribers(this.context, this.#reading.signal)
    // In a later turn, so that a listener that is added right after `await openCache()` hears of it.
    setImmediate(() => {
      for (const info of this.recovered) this.#listeners.tell({ name: 'recovered', info })
    })
    if (this.#warm !== undefined) void this.#warmth.restore(this.#warm)
    if (this.context.isTraced) this.context.tracer.record(TRACE['proc.start'], 0, 0, 0)
    this.#listeners.opened()
  }

  get recovered(): readonly JournalRecovery[] {
    return this.#journals.recovered
  }

  adopt(worker: Worker): void {
    watchWorker(worker)
  }

  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this {
    this.#listeners.on(event, listener)
    return this
  }

  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this {
    this.#listeners.off(event, listener)
    return this
  }

  async retry(partition: string): Promise<void> {
    this.context.assertRunning()
    const { view } = this.partition(partition)
    this.#listeners.retried(partition)
    await runCall(this.context, retry(this.context, view))
  }

  async addPartition(name: string, options: PartitionOptions): Promise<Partition> {
    this.context.assertOpen()
    await this.#parts.add(name, options)
    return this.partition(name)
  }

  async dropPartition(name: string, options?: DropOptions): Promise<void> {
    this.context.assertOpen()
    await this.#parts.drop(this.partition(name).view, options)
  }

  configure(settings: LiveOptions): void {
    this.context.assertOpen()
    this.#settings.change(settings)
  }

  evictClean(): number {
    this.context.assertOpen()
    return evictClean(this.context)
  }

  close({ warm }: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(warm).finally(() => {
      this.#closing = undefined
    })
    return this.#closing
  }

  async abandon(): Promise<LostBlock[]> {
    await this.stop()
    return lostBlocks(this.context)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Reports the end to listeners at once instead of when the flush worker has recovered the slot: the process may have
   * nothing else to wait for. Also reads what the flush worker has reported in the meantime.
   */
  override threadEnded(ended: number): void {
    super.threadEnded(ended)
    const { words, arena } = this.context
    for (let slot = firstClientSlot(arena.geometry); slot < arena.geometry.slots; slot++) {
      const at = arena.slotAt(slot)
      if (load(words, at + Slot.state) === SlotState.DEAD && words[at + Slot.threadId] === ended)
        this.#listeners.tell({ name: 'workerDied', info: { threadId: ended, slot } })
    }
    this.#readEventsNow()
  }

  /** The owner's thread stays attached as long as the cache is open. */
  override detach(): void {
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      'the owner of a cache cannot detach; call `await cache.close()`, or use `await using`',
    )
  }

  async #close(warm: string | undefined): Promise<void> {
    const list = warm === undefined ? this.#warm : parseWarm(warm)
    if (this.#stopping !== undefined) return this.#stopping
    const everything = Array.from({ length: this.context.arena.geometry.groups }, (_, group) => ({ group }))
    this.#assertNoGuards()
    await runAsync(flush(this.context, everything))
    const { words } = this.context
    if (!changeState(words, EngineState.OPEN, EngineState.CLOSING)) {
      if (load(words, Header.state) === EngineState.CLOSED) return this.stop()
      throw this.context.notOpen()
    }
    try {
      // A guard that was acquired since the first check is seen now; a later acquire sees CLOSING.
      this.#assertNoGuards()
      await runAsync(flush(this.context, everything))
      // In turn: a partition that goes or shrinks stops records too, and must not find them going on.
      for (const { group } of this.handle.journals)
        await this.#parts.inTurn(() => runAsync(placeAll(this.context, group)))
    } catch (error) {
      changeState(words, EngineState.CLOSING, EngineState.OPEN)
      throw error
    }
    if (list !== undefined) await this.#warmth.save(list)
    await this.stop(true)
    if (this.#unfinished !== undefined) throw this.#unfinished
  }

  /**
   * Stops the engine's threads, waits for system calls, and closes the files. Done once; also for an engine that did not
   * start completely. Resolves after `3 * STOP_PATIENCE_MS` at the latest, and the calls that finish journals.
   * @param isOrderly whether all is durable in place, so that the journals end empty
   */
  stop(isOrderly = false): Promise<void> {
    this.#stopping ??= this.#stop(isOrderly)
    return this.#stopping
  }

  async #stop(isOrderly: boolean): Promise<void> {
    const { context } = this
    if (context.isTraced) context.tracer.record(TRACE['proc.stop'], 0, 0, 0)
    setState(context.words, EngineState.CLOSED)
    this.#parts.end()
    this.#warmth.end()
    wakeAll(this.context)
    await this.#crew.stop(STOP_PATIENCE_MS)
    const endMs = performance.now() + STOP_PATIENCE_MS
    const isInUse = () => this.#slotsInIo().length > 0 || this.#parts.isChanging
    while (isInUse() && performance.now() < endMs) await pause(1)
    this.#reading.abort()
    this.#stopCalls()
    forgetClient(this.handle.id)
    if (this.#usersOfFiles().length === 0) await this.#closeFiles(isOrderly)
    else void this.#closeLater()
    this.#listeners.closed()
  }

  /** The journals first: their marks are made and removed only while the files are claimed. */
  async #closeFiles(isOrderly: boolean): Promise<void> {
    if (isOrderly)
      await this.#journals.finish(this.context).catch((error: unknown) => (this.#unfinished = error as Error))
    await this.#journals.close()
    this.#parts.close()
  }

  /** Warns which files stay open and why, and closes them when they are no longer used. Does not keep the process alive. */
  async #closeLater(): Promise<void> {
    const { descriptors } = this.#journals
    const files = this.#parts.files.map(({ fd, partition }) => `${fd} of '${partition.name}'`)
    const records = descriptors.length > 0 ? '; the journals keep their records for the next opening' : ''
    process.emitWarning(
      `the cache is closed, but these threads are still inside a system call: ${this.#usersOfFiles().join(', ')}; ` +
        `file descriptors ${[...files, ...descriptors].join(', ')} stay open, and the files claimed, until the call returns${records}`,
      { type: 'CacheWarning', code: 'DCACHE_FILES_OPEN' },
    )
    while (this.#usersOfFiles().length > 0) await pause(SLICE_MS, true)
    await this.#closeFiles(false)
  }

  /** The threads that may still use the files' descriptors. */
  #usersOfFiles(): string[] {
    const { arena } = this.context
    return [
      ...this.#crew.names(),
      ...this.#slotsInIo().map((slot) => threadText(arena, slot)),
      ...(this.#parts.isChanging ? ['the owner, which changes a partition'] : []),
    ]
  }

  #slotsInIo(): number[] {
    const { words, arena } = this.context
    return Array.from({ length: arena.geometry.slots }, (_, slot) => slot).filter(
      (slot) => load(words, arena.slotAt(slot) + Slot.inIo) > 0 && !hasEnded(arena, slot),
    )
  }

  #assertNoGuards(): void {
    const { arena } = this.context
    buryGone(arena) // what a dead thread held will be released
    for (let slot = 0; slot < arena.geometry.slots; slot++) {
      const isWriter = slot > OWNER_SLOT && slot < firstClientSlot(arena.geometry)
      const guards = isWriter ? 0 : guardsOf(arena, slot)
      if (guards === 0) continue
      throw new CacheError(
        'ERR_DCACHE_GUARDS_HELD',
        `${threadText(arena, slot)} holds ${guards} guard(s); release them before closing`,
      )
    }
  }

  /** The engine cannot continue: wakes all threads that wait, so that their calls fail at once. */
  #breakDown(error: unknown): void {
    const { words } = this.context
    if (!changeState(words, EngineState.OPEN, EngineState.BROKEN))
      changeState(words, EngineState.CLOSING, EngineState.BROKEN)
    wakeAll(this.context)
    this.#listeners.broken(error)
  }

  /** Passes the flush worker's messages to listeners, as long as the engine is open. Does not keep the process alive. */
  async #readEvents(): Promise<void> {
    const events = eventsOf(this.context.arena)
    const { signal } = this.#reading
    while (!signal.aborted) {
      const next = runAsync(events.pop(new Deadline(Infinity)), signal, true)
      const record = await next.catch(() => undefined) // undefined: aborted
      if (record !== undefined) this.#listeners.hear(this.context, record)
    }
    this.#readEventsNow()
  }

  #readEventsNow(): void {
    const events = eventsOf(this.context.arena)
    for (let record = events.tryPop(); record !== undefined; record = events.tryPop())
      this.#listeners.hear(this.context, record)
  }
}
