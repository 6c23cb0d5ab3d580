// The real engine as a driver of the interpreter: workers, files, asynchronous calls.

import type { AcquireOptions, BlockCache, BlockGuard, FlushScope, Mode, Partition } from 'dcache'
import { type EngineFiles, engineFiles } from '../support/engine.js'
import type { Setup } from './commands.js'
import type { Driver } from './driver.js'
import { History, type HistoryPartition } from './history.js'

const WRITE_ORDER = ['data', 'directory', 'trailer']

export class RealDriver implements Driver, AsyncDisposable {
  readonly history: History
  readonly partitions: readonly HistoryPartition[]
  readonly writeOrder = WRITE_ORDER
  readonly inline = undefined
  readonly #files: EngineFiles
  #cache: BlockCache

  private constructor(partitions: readonly HistoryPartition[], files: EngineFiles, cache: BlockCache) {
    this.partitions = partitions
    this.history = new History(partitions)
    this.#files = files
    this.#cache = cache
  }

  static async open({ blocks, dirtyLimit, isSplit, policy }: Setup): Promise<RealDriver> {
    const partitions = [
      { name: 'a', blockSize: 512, blocks: 16, group: 0 },
      { name: 'b', blockSize: 1024, blocks: 12, group: isSplit ? 1 : 0 },
    ]
    const files = engineFiles({
      blocks,
      dirtyLimit,
      policy,
      writeOrder: WRITE_ORDER,
      flushDelayMs: 5,
      partitions: Object.fromEntries(
        partitions.map(({ name, blockSize, blocks: count, group }) => [
          name,
          { blockSize, blocks: count, group: `${group}` },
        ]),
      ),
    })
    return new RealDriver(partitions, files, await files.open())
  }

  partition(partition: number): Partition {
    return this.#cache.partition(this.partitions[partition]!.name)
  }

  acquire(partition: number, block: number, mode: Mode, options: AcquireOptions): Promise<BlockGuard> {
    return this.partition(partition).acquire(block, mode, options)
  }

  readBytes(partition: number, target: Uint8Array, position: number): Promise<void> {
    return this.partition(partition).read(target, position)
  }

  writeBytes(partition: number, source: Uint8Array, position: number, writeClass: string): Promise<void> {
    return this.partition(partition).write(source, position, writeClass)
  }

  flush(scope: FlushScope): Promise<void> {
    return this.#cache.flush(scope)
  }

  kick(): void {
    this.#cache.kick()
  }

  evictClean(): void {
    this.#cache.evictClean()
  }

  durable(partition: number, block: number): Uint8Array {
    const { name, blockSize } = this.partitions[partition]!
    return this.#files.contents(name).subarray(block * blockSize, (block + 1) * blockSize)
  }

  async reopen(): Promise<void> {
    await this.#cache.close()
    this.#cache = await this.#files.open()
  }

  check(): string[] {
    return this.#cache.check()
  }

  checkQuiet(): string[] {
    return this.#cache.check()
  }

  async close(): Promise<void> {
    await this.#cache.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache.abandon()
    this.#files[Symbol.dispose]()
  }
}
