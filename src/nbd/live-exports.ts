/**
 * The exports of a server while it runs: what happens when it is told which ones there are to be. All of this runs in the engine,
 * one change at a time; connection workers look an export up for each handshake.
 *
 * An export that goes leaves the lists of all threads first, so that no client can open it. Then its changes are flushed, its
 * connections end in order, and its partition is dropped, which flushes again. If one of these fails, it is served as before; the
 * early flush finds out that a disk has failed before any client is sent away.
 *
 *   served --out of the list--> flushed --> connections ended --> dropped
 *      ^------------------------------------'--a failure
 */
import type { BlockCache } from '../index.js'
import { sizeOf } from './export.js'
import { factsOf, type FileFacts } from './export-files.js'
import { entry, type Log, messageOf } from './log.js'
import type { ExportSettings } from './messages.js'
import { type OpenExports, partitionOf, type Served } from './open-exports.js'
import type { Recovery } from './recovery.js'
import type { ConnectionWorkers } from './workers.js'

/** Deadlines of an export that goes, or shrinks: for the requests of its clients, and for the holders of its blocks. */
const END_MS = 10_000
const HOLDERS_MS = 10_000

/** How many exports a change has concerned. */
export interface Outcome {
  added: number
  removed: number
  resized: number
  /** What was asked for and not done. */
  refused: number
}

interface Coming {
  readonly wanted: ExportSettings
  readonly facts: FileFacts
}

export class LiveExports {
  readonly #cache: BlockCache
  readonly #workers: ConnectionWorkers
  readonly #recovery: Recovery
  readonly #log: Log
  readonly #groups: string[]
  readonly #blockSizeMax: number
  readonly #most: number
  #served: readonly Served[]
  #outcome: Outcome = { added: 0, removed: 0, resized: 0, refused: 0 }
  #isStopping = false

  constructor(open: OpenExports, workers: ConnectionWorkers, recovery: Recovery, log: Log) {
    this.#cache = open.cache
    this.#served = open.served
    this.#groups = [...open.groups]
    this.#most = open.served.length + open.groups.length
    this.#blockSizeMax = open.blockSizeMax
    this.#workers = workers
    this.#recovery = recovery
    this.#log = log
  }

  get names(): string[] {
    return this.#served.map(({ name }) => name)
  }

  /** Begins nothing further: the server stops, and the cache is going to be closed. */
  stop(): void {
    this.#isStopping = true
  }

  /**
   * Makes these the exports, in this order, and gives those that stay the size of their file. Called when the previous change has
   * ended. What is not possible is logged, and leaves its export as it was.
   */
  async change(wanted: readonly ExportSettings[]): Promise<Outcome> {
    const outcome = (this.#outcome = { added: 0, removed: 0, resized: 0, refused: 0 })
    const leaving = new Set(this.#served)
    const staying: (readonly [Served, FileFacts])[] = []
    const coming: Coming[] = []
    for (const one of wanted) {
      const now = this.#served.find(({ name }) => name === one.name)
      try {
        const facts = factsOf(one)
        if (now === undefined || !isSame(now, one, facts)) coming.push({ wanted: one, facts })
        else {
          leaving.delete(now)
          staying.push([now, facts])
        }
      } catch (error) {
        if (now !== undefined) leaving.delete(now)
        this.#refuse(one.name, now === undefined ? 'was not added' : 'stays as it is', error)
      }
    }
    // Exports may swap names and files, so all that leave go first.
    await this.#removeAll(leaving)
    for (const [now, facts] of staying) await this.#resize(now, facts)
    for (const one of coming) await this.#add(one)
    const places = new Map(wanted.map(({ name }, i) => [name, i]))
    const placeOf = ({ name }: Served) => places.get(name) ?? Infinity
    await this.#serve([...this.#served].sort((a, b) => placeOf(a) - placeOf(b)))
    return outcome
  }

  /** Resolves when all connection workers know. */
  #serve(served: readonly Served[]): Promise<void> {
    this.#served = served
    return this.#workers.setExports(this.names)
  }

  async #removeAll(leaving: ReadonlySet<Served>): Promise<void> {
    if (leaving.size === 0) return
    await this.#serve(this.#served.filter((each) => !leaving.has(each)))
    await Promise.all(Array.from(leaving, (each) => this.#remove(each)))
  }

  async #remove(leaving: Served): Promise<void> {
    const { name, path, group } = leaving
    try {
      await this.#cache.flush({ partition: name })
      await this.#workers.endExport(name, END_MS)
      if (this.#isStopping) return // close flushes it
      await this.#cache.dropPartition(name, { timeoutMs: HOLDERS_MS })
    } catch (error) {
      await this.#serve([...this.#served, leaving])
      this.#refuse(name, 'was not removed, and is served as before', error)
      return
    }
    this.#recovery.forget(name)
    this.#groups.push(group)
    this.#outcome.removed++
    this.#tell('removed', name, 'was removed: all its changes are on the disk', { path })
  }

  async #resize({ name, blockSize }: Served, { sizeBytes }: FileFacts): Promise<void> {
    const partition = this.#cache.partition(name)
    const before = sizeOf(partition)
    if (sizeBytes === undefined || sizeBytes === before || this.#isStopping) return
    try {
      await partition.resize(sizeBytes / blockSize, { timeoutMs: HOLDERS_MS })
    } catch (error) {
      this.#refuse(name, `keeps its size of ${before} bytes`, error)
      return
    }
    this.#outcome.resized++
    const how = sizeBytes > before ? 'has grown' : 'has shrunk'
    this.#tell('resized', name, `${how} from ${before} to ${sizeBytes} bytes`, { before, sizeBytes })
  }

  async #add({ wanted, facts }: Coming): Promise<void> {
    if (this.#isStopping) return
    const { name, path } = wanted
    const group = this.#groups.shift()
    try {
      if (this.names.includes(name)) throw new Error('the former export of this name is still there')
      if (group === undefined) throw new Error(`there are ${this.#most} exports, the limit of --max-exports`)
      if (wanted.blockSize > this.#blockSizeMax) throw new Error(`a block size of ${wanted.blockSize} bytes needs a restart: ${this.#blockSizeMax} bytes was the largest at the start`) // prettier-ignore
      const served = { ...wanted, group, identity: facts.identity }
      const partition = await this.#cache.addPartition(name, partitionOf(served))
      await this.#serve([...this.#served, served])
      this.#outcome.added++
      const sizeBytes = sizeOf(partition)
      this.#tell('added', name, `was added: ${path}, ${sizeBytes} bytes`, { path, sizeBytes })
    } catch (error) {
      if (group !== undefined) this.#groups.unshift(group)
      this.#refuse(name, 'was not added', error)
    }
  }

  #tell(event: string, name: string, what: string, fields: Readonly<Record<string, string | number>>): void {
    this.#log(entry('info', event, `export '${name}' ${what}`, { export: name, ...fields }))
  }

  #refuse(name: string, what: string, error: unknown): void {
    this.#outcome.refused++
    this.#log(entry('error', 'unchanged', `export '${name}' ${what}: ${messageOf(error)}`, { export: name }))
  }
}

const isSame = (now: Served, { path, blockSize }: ExportSettings, { identity }: FileFacts): boolean =>
  now.path === path && now.blockSize === blockSize && now.identity === identity
