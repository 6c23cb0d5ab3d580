// A real engine, with its worker threads, on files in a folder of its own. `withEngine` ends every test the same way:
// nothing is broken, and the engine closes.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type BlockCache, type CacheOptions, openCache, type PartitionOptions } from 'dcache'
import { memoryFor } from './memory-size.js'
import { tempFolder } from './temp.js'

export interface EnginePartition extends Omit<PartitionOptions, 'path' | 'size' | 'offset'> {
  /** Where in the file the partition begins, bytes. */
  readonly offset?: number
  /** How many blocks the file has. */
  readonly blocks: number
  /** What the partition holds at first; zeros if nothing is given. */
  readonly contents?: Uint8Array
}

export interface EngineOptions extends Omit<CacheOptions, 'partitions' | 'memory'> {
  /** How many blocks the cache holds. */
  readonly blocks: number
  readonly partitions: Readonly<Record<string, EnginePartition>>
}

/** The files of an engine: they outlive it until the end of the scope, so that it can be opened again. */
export interface EngineFiles extends Disposable {
  readonly folder: string
  path(partition: string): string
  /** What the file holds, by the file system. */
  contents(partition: string): Buffer
  open(): Promise<BlockCache>
}

export function engineFiles({ blocks, partitions, ...rest }: EngineOptions): EngineFiles {
  const folder = tempFolder()
  const path = (partition: string) => join(folder.path, `${partition}.img`)
  const entries = Object.entries(partitions).map(([name, { blocks: count, contents, ...options }]) => {
    const start = options.offset ?? 0
    const bytes = new Uint8Array(start + count * options.blockSize)
    if (contents) bytes.set(contents, start)
    writeFileSync(path(name), bytes)
    return [name, { ...options, path: path(name) }] as const
  })
  return {
    folder: folder.path,
    path,
    contents: (partition) => readFileSync(path(partition)),
    open: () =>
      openCache({
        ...rest,
        memory: memoryFor(blocks, Object.values(partitions)),
        partitions: Object.fromEntries(entries),
      }),
    [Symbol.dispose]: () => {
      folder[Symbol.dispose]()
    },
  }
}

/**
 * Opens, runs `body`, asserts that check() has nothing to say, closes, and lets `after` look at the files. Whatever fails, the engine is stopped and
 * its files are removed.
 */
export async function withEngine(
  options: EngineOptions,
  body: (cache: BlockCache, files: EngineFiles) => Promise<void>,
  after?: (files: EngineFiles) => void,
): Promise<void> {
  using files = engineFiles(options)
  const cache = await files.open()
  try {
    await body(cache, files)
    await finish(cache)
    after?.(files)
  } finally {
    await cache.abandon()
  }
}

/** The end of every test: nothing is broken, and the engine closes. */
export async function finish(cache: BlockCache): Promise<void> {
  assert.equal(cache.check(), [])
  await cache.close()
}
