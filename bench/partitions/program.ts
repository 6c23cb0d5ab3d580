/**
 * One measurement of `partitions`, in a process of its own, since the memory of a process says what it did before. argv: a
 * folder with the files, and how many of them to open. Prints the figures as JSON.
 */
import { openCache, type BlockCache, type PartitionOptions } from 'dcache'
import { closeSync, fsyncSync, ftruncateSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeSound } from '../harness/cache.js'
import { spreadOf } from '../harness/spread.js'

export const BLOCK_SIZE = 4096
export const BLOCKS = 8
/** How many partitions are written at a time, at most. */
const WRITTEN = 10
/** Partitions that are added and dropped. */
const CHANGES = 15
/** Milliseconds in which the writers should have started. */
const START_MS = 10_000
/** The threads of a cache that nothing was asked of: the owner and the flush worker. */
const THREADS_AT_FIRST = 2

export interface Measured {
  readonly openMs: number
  readonly rss: number
  readonly threads: number
  readonly writers: number
  readonly writingRss: number
  readonly addMs: number
  readonly bareAddMs: number
  readonly dropMs: number
}

const optionsOf = (path: string): PartitionOptions => ({
  path,
  blockSize: BLOCK_SIZE,
  size: BLOCKS * BLOCK_SIZE,
})

function timeOf(work: () => void): number {
  const startMs = performance.now()
  work()
  return performance.now() - startMs
}

async function timeOfAsync(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

/** The calls that create a file durably: its name, and its size. */
function addBare(folder: string, path: string): number {
  return timeOf(() => {
    const fd = openSync(path, 'wx+')
    const parent = openSync(folder, 'r')
    fsyncSync(parent)
    closeSync(parent)
    ftruncateSync(fd, BLOCKS * BLOCK_SIZE)
    fsyncSync(fd)
    closeSync(fd)
  })
}

/** Writes some partitions again and again, until they have as many writers. Returns the number of writers. */
async function write(cache: BlockCache, names: readonly string[]): Promise<number> {
  const endMs = performance.now() + START_MS
  for (let change = 1; ; change++) {
    for (const name of names) await cache.partition(name).write(new Uint8Array(BLOCK_SIZE).fill(change), 0)
    await cache.flush()
    const writers = cache.stats().threads - THREADS_AT_FIRST
    if (writers >= names.length || performance.now() > endMs) return writers
    await sleep(10)
  }
}

async function measure(folder: string, count: number): Promise<Measured> {
  const names = Array.from({ length: count }, (_, i) => String(i))
  const paths = names.map((name) => join(folder, name))
  let cache!: BlockCache
  const openMs = await timeOfAsync(async () => {
    const partitions = Object.fromEntries(names.map((name, i) => [name, optionsOf(paths[i]!)]))
    cache = await openCache({ memory: '64MiB', maxPartitions: 4096, partitions })
  })
  const rss = process.memoryUsage.rss()
  const { threads } = cache.stats()
  const writers = await write(cache, names.slice(0, WRITTEN))
  const writingRss = process.memoryUsage.rss()
  const [added, bareAdded, dropped]: number[][] = [[], [], []]
  for (let i = 0; i < CHANGES; i++) {
    const [path, bare] = [join(folder, `added-${i}`), join(folder, `bare-${i}`)]
    bareAdded!.push(addBare(folder, bare))
    added!.push(await timeOfAsync(() => cache.addPartition('added', optionsOf(path))))
    await cache.partition('added').read(new Uint8Array(BLOCK_SIZE), 0)
    dropped!.push(await timeOfAsync(() => cache.dropPartition('added')))
    rmSync(path)
    rmSync(bare)
  }
  await closeSound(cache)
  const [addMs, bareAddMs, dropMs] = [added!, bareAdded!, dropped!].map((ms) => spreadOf(ms).median)
  return {
    openMs,
    rss,
    threads,
    writers,
    writingRss,
    addMs: addMs!,
    bareAddMs: bareAddMs!,
    dropMs: dropMs!,
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(JSON.stringify(await measure(process.argv[2]!, Number(process.argv[3]))))
