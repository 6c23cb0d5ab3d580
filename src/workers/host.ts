/**
 * The host: opens the engine on the calling thread, which becomes its owner, and stops everything again.
 *
 *   open files -> format memory -> start flush worker, writers and reader -> OPEN
 *   OPEN --close: no guards, flush--> CLOSING --nobody got in meanwhile, flush--> CLOSED -> workers gone -> files closed
 *   OPEN --abandon--> CLOSED, without a flush
 *   OPEN --engine workers keep ending--> BROKEN: nothing is written any more; abandon says what is lost
 */
import { compareExchange, load, store } from '#atomics'
import { EventEmitter } from 'node:events'
import { randomBytes } from 'node:crypto'
import { threadId, type Worker } from 'node:worker_threads'
import { Client } from '../core/client.js'
import { blockOf, partitionOf, wakeAll } from '../core/core.js'
import { describeHandle } from '../core/describe.js'
import { evictClean } from '../core/forget.js'
import { eventsOf, formatArena } from '../core/format.js'
import { imageStamps } from '../core/images.js'
import { retry } from '../core/retry.js'
import { flush, lockRound, unlockRound } from '../core/rounds.js'
import { type Config, geometryOf, parseOptions } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { BlockCache, CacheEvents, CacheHandle, CacheOptions, LostBlock } from '../shared/interface.js'
import { type Geometry, VERSION } from '../shared/layout.js'
import { attachSlot } from '../shared/slot.js'
import { threadText } from '../shared/slot-name.js'
import { classOf } from '../shared/stamp.js'
import { TRACE } from '../shared/trace.js'
import { Deadline, runAsync } from '../shared/wait.js'
import { adoptWorkers, type Adoption } from './adopt.js'
import { coreOf, firstClientSlot, forgetClient, idWords, OWNER_SLOT, registerClient } from './attach.js'
import { Crew } from './crew.js'
import { eventOf, STOP_RECORD } from './events.js'
import { OpenFiles } from './files.js'
import { assertRuntime, openError, warnOfMemory } from './surroundings.js'
import { EngineState, Frame, Header, Slot, SlotState } from '../shared/words.js'

/**
 * Opens a cache; the calling thread owns it. Nothing is left behind when it fails.
 * @throws every code of bad options and files, ERR_DCACHE_MEMORY, ERR_DCACHE_IN_USE, ERR_DCACHE_UNSUPPORTED,
 *   ERR_DCACHE_WORKER_DIED
 */
export async function openCache(options: CacheOptions): Promise<BlockCache> {
  const config = parseOptions(options)
  const geometry = geometryOf(config)
  assertRuntime(config.partitions.some(({ readOnly }) => !readOnly))
  const files = await OpenFiles.open(config.partitions)
  let host: Host | undefined
  try {
    host = new Host(config, geometry, files)
    files.extend()
    await host.start()
    files.keep()
    warnOfMemory(host.handle.buffer.byteLength)
    return host
  } catch (error) {
    if (host) await host.stop()
    else files.close()
    throw openError(error)
  }
}

/** A write that is under way may still land: its descriptor and the claim stay until the process ends. */
function stuckError(threads: readonly string[]): CacheError {
  return new CacheError(
    'ERR_DCACHE_TIMEOUT',
    `the cache is stopped, but for the ${threads.join(', the ')}: inside a call into the system that does not return; ` +
      'the files stay open and claimed until the process ends',
  )
}

class Host extends Client implements BlockCache {
  readonly handle: CacheHandle
  readonly #events = new EventEmitter()
  readonly #files: OpenFiles
  readonly #adoption: Adoption
  readonly #crew: Crew
  #stopping: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(config: Config, geometry: Geometry, files: OpenFiles) {
    const id = randomBytes(8).toString('hex')
    const { low, high } = idWords(id)
    const arena = formatArena(config, geometry, files.list.map((file) => file.blocks), low, high) // prettier-ignore
    const handle: CacheHandle = {
      dcache: VERSION,
      id,
      buffer: arena.buffer,
      partitions: config.partitions.map(({ name, path, direct }, i) => ({
        name,
        path,
        fd: files.list[i]!.fd,
        offset: files.list[i]!.offset,
        direct,
      })),
      writeOrder: config.writeOrder,
      policy: config.policy,
      readAheadBytes: config.readAheadBytes,
    }
    describeHandle(handle)
    const slot = attachSlot(arena, OWNER_SLOT, OWNER_SLOT + 1, threadId, 'owner')
    arena.words[slot.at + Slot.neverBlocks] = 1
    super(coreOf(handle, arena, slot, false))
    this.handle = handle
    this.#files = files
    this.#adoption = adoptWorkers(this.core, (info) => this.#events.emit('workerDied', info))
    const { flushDelayMs, writeBytes, writeBytesPerSecond } = config
    this.#crew = new Crew(this.core, handle, { flushDelayMs, writeBytes, writeBytesPerSecond }, () => {
      this.#breakDown()
    })
    registerClient(id, this)
  }

  async start(): Promise<void> {
    await this.#crew.start()
    void this.#readEvents()
    if (this.core.tracer.on) this.core.tracer.record(TRACE['proc.start'], 0, 0, 0)
  }

  adopt(worker: Worker): void {
    this.#adoption.adopt(worker)
  }

  on<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this {
    this.#events.on(event, listener)
    return this
  }

  off<E extends keyof CacheEvents>(event: E, listener: (info: CacheEvents[E]) => void): this {
    this.#events.off(event, listener)
    return this
  }

  async retry(partition: string): Promise<void> {
    this.core.assertRunning()
    const { view } = this.partition(partition)
    await runAsync(retry(this.core, view))
  }

  evictClean(): number {
    this.core.assertOpen()
    return evictClean(this.core)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = undefined
    })
    return this.#closing
  }

  async abandon(): Promise<LostBlock[]> {
    await this.stop()
    // Releases that were left to others are changes too.
    for (let group = 0; group < this.core.arena.geometry.groups; group++) {
      await runAsync(lockRound(this.core, group, new Deadline()))
      unlockRound(this.core, group)
    }
    return this.#lostBlocks()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The owner's thread is attached as long as the cache is open. */
  override detach(): void {
    throw new CacheError(
      'ERR_DCACHE_BAD_OPTION',
      'the owner of a cache closes it: await close(), or `await using`',
    )
  }

  async #close(): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping
    const everything = Array.from({ length: this.core.arena.geometry.groups }, (_, group) => ({ group }))
    this.#assertNoGuards()
    await runAsync(flush(this.core, everything))
    const { words } = this.core
    if (compareExchange(words, Header.state, EngineState.OPEN, EngineState.CLOSING) !== EngineState.OPEN) {
      if (load(words, Header.state) === EngineState.CLOSED) return this.stop()
      throw this.core.notOpen()
    }
    try {
      // Whoever got in since the first look is seen now, and whoever comes later sees CLOSING.
      this.#assertNoGuards()
      await runAsync(flush(this.core, everything))
    } catch (error) {
      compareExchange(words, Header.state, EngineState.CLOSING, EngineState.OPEN)
      throw error
    }
    await this.stop()
  }

  /** Stops the workers, waits for calls into the system, closes the files; once. Also of an engine that started half-way. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const { core } = this
    if (core.tracer.on) core.tracer.record(TRACE['proc.stop'], 0, 0, 0)
    store(core.words, Header.state, EngineState.CLOSED)
    eventsOf(core.arena).tryPush(...STOP_RECORD)
    wakeAll(this.core)
    const stuck = await this.#crew.stop()
    await this.#ioIsOver()
    this.#adoption.end()
    forgetClient(this.handle.id)
    if (stuck.length > 0) throw stuckError(stuck)
    this.#files.close()
  }

  /** Waits until no thread is inside a system call on the files. */
  async #ioIsOver(): Promise<void> {
    const { words, arena } = this.core
    const isBusy = (slot: number) =>
      load(words, arena.slotAt(slot) + Slot.inIo) > 0 &&
      words[arena.slotAt(slot) + Slot.state] === SlotState.LIVE
    while (Array.from({ length: arena.geometry.slots }, (_, slot) => slot).some(isBusy)) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  #assertNoGuards(): void {
    const { words, arena } = this.core
    for (let slot = 0; slot < arena.geometry.slots; slot++) {
      const at = arena.slotAt(slot)
      const isWriter = slot > OWNER_SLOT && slot < firstClientSlot(arena.geometry.partitions)
      if (isWriter || words[at + Slot.state] !== SlotState.LIVE || words[at + Slot.guards] === 0) continue
      throw new CacheError(
        'ERR_DCACHE_GUARDS_HELD',
        `${threadText(arena, slot)} holds ${words[at + Slot.guards]!} guard(s); release them before close`,
      )
    }
  }

  #lostBlocks(): LostBlock[] {
    const { words, arena, partitions, writeOrder } = this.core
    const lost: LostBlock[] = []
    for (let frame = 0; frame < arena.geometry.blocks; frame++) {
      const at = arena.frameAt(frame)
      const [newest] = words[at + Frame.place] === 0 ? [] : imageStamps(this.core, frame)
      if (newest === undefined) continue
      lost.push({
        partition: partitions[partitionOf(words, at)]!.name,
        block: blockOf(words, at),
        writeClass: writeOrder[classOf(newest) - 1]!,
      })
    }
    return lost
  }

  /** The engine can't go on: who waits for it is told at once. */
  #breakDown(): void {
    const { words } = this.core
    if (compareExchange(words, Header.state, EngineState.OPEN, EngineState.BROKEN) !== EngineState.OPEN) {
      compareExchange(words, Header.state, EngineState.CLOSING, EngineState.BROKEN)
    }
    wakeAll(this.core)
  }

  /** Tells listeners what the flush worker found, as long as the engine is open; the process need not stay for it. */
  async #readEvents(): Promise<void> {
    const events = eventsOf(this.core.arena)
    while (this.#stopping === undefined || !events.isEmpty) {
      const record = await runAsync(events.pop(new Deadline(Infinity)), undefined, true)
      const event = eventOf(this.core, record)
      if (event === undefined) return
      this.#events.emit(event.name, event.info)
    }
  }
}
