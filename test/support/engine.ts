// A real engine with its worker threads, on files in a folder of its own. `withEngine` ends every test the same way: `check`
// must find nothing, and the engine must close.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type BlockCache, type CacheOptions, openCache, type PartitionOptions } from 'dcache'
import { memoryFor } from './memory-size.js'
import { tempFolder } from './temp.js'

export interface EnginePartition extends Omit<PartitionOptions, 'path' | 'size' | 'offset'> {
  /** The offset in the file at which the partition begins, in bytes. */
  readonly offset?: number
  /** How many blocks the file has. */
  readonly blocks: number
  /** The initial contents of the partition; zeros by default. */
  readonly contents?: Uint8Array
}

export interface EngineOptions extends Omit<CacheOptions, 'partitions' | 'memory'> {
  /** How many blocks the cache holds. */
  readonly blocks: number
  readonly partitions: Readonly<Record<string, EnginePartition>>
}

/** The files of an engine. They exist until the end of the scope, so that the engine can be opened again. */
export interface EngineFiles extends Disposable {
  readonly folder: string
  path(partition: string): string
  /** The contents of the file, read through the file system. */
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
 * Opens an engine, runs `body`, asserts that check() finds nothing, closes the engine, and lets `after` inspect the files. On
 * a failure too, the engine is stopped and its files are removed.
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

/** The end of every test: check() must find nothing, and the engine must close. */
export async function finish(cache: BlockCache): Promise<void> {
  assert.equal(cache.check(), [])
  await cache.close()
}
