/**
 * The variants of `hit`, started over one file and one pattern.
 */
import type { BlockCache } from 'dcache'
import { closeSync, openSync, readSync } from 'node:fs'
import { type MessagePort, MessageChannel, Worker } from 'node:worker_threads'
import { Crew } from '../harness/crew.js'
import type { Folder } from '../harness/folder.js'
import { isInstalled } from '../harness/peers.js'
import type { DcacheData } from './variants/dcache.js'
import { type FloorData, PIN_WORDS, SEGMENT_BLOCKS } from './variants/floor.js'
import type { LmdbData } from './variants/lmdb.js'
import type { OwnerData } from './variants/owner.js'
import { BLOCK_SIZE, type Workload } from './workload.js'

export const FLOOR = 'floor'
const DCACHE_READS = [
  ['bytes', 'dcache, bytes'],
  ['data', 'dcache, data'],
  ['copy', 'dcache, readSync of 8 bytes'],
] as const
export const FLOOR_AGAIN = 'floor again (A/A)'

export interface CrewsOptions {
  readonly workload: Workload
  readonly cache: BlockCache
  readonly floor: FloorMemory
  readonly lanes: number
  /** Path of lmdb's store; undefined: without lmdb. */
  readonly lmdb: string | undefined
  readonly hasPeers: boolean
  readonly isHot: boolean
  readonly leftOut: string[]
}

export type FloorMemory = Pick<FloorData, 'words' | 'segments'>

/** The blocks in shared memory, without a cache: for the floor and for the owner thread. */
export function floorMemory(path: string, blocks: number): FloorMemory {
  const fd = openSync(path, 'r')
  const segments: Uint8Array<SharedArrayBuffer>[] = []
  for (let first = 0; first < blocks; first += SEGMENT_BLOCKS) {
    const bytes = new Uint8Array(new SharedArrayBuffer(Math.min(SEGMENT_BLOCKS, blocks - first) * BLOCK_SIZE))
    for (let at = 0; at < bytes.length; at += 2 ** 20)
      readSync(fd, bytes, at, Math.min(2 ** 20, bytes.length - at), first * BLOCK_SIZE + at)
    segments.push(bytes)
  }
  closeSync(fd)
  return { words: new Int32Array(new SharedArrayBuffer(blocks * PIN_WORDS * 4)), segments }
}

/** Creates a store with all blocks. Undefined if lmdb is not installed. */
export async function fillLmdb(
  folder: Folder,
  path: string,
  blocks: number,
  leftOut: string[],
): Promise<string | undefined> {
  if (!isInstalled('lmdb', leftOut)) return undefined
  const { open } = await import('lmdb')
  const storePath = folder.path(`lmdb-${blocks}`)
  const store = open<Uint8Array, number>({
    path: storePath,
    encoding: 'binary',
    keyEncoding: 'uint32',
    noSync: true,
  })
  const fd = openSync(path, 'r')
  const batch = 1024
  for (let first = 0; first < blocks; first += batch) {
    store.transactionSync(() => {
      for (let block = first; block < Math.min(first + batch, blocks); block++) {
        const bytes = Buffer.alloc(BLOCK_SIZE)
        readSync(fd, bytes, 0, BLOCK_SIZE, block * BLOCK_SIZE)
        store.putSync(block, bytes)
      }
    })
  }
  closeSync(fd)
  await store.close()
  return storePath
}

export interface Crews extends AsyncDisposable {
  readonly crews: readonly Crew[]
}

export async function startCrews(options: CrewsOptions): Promise<Crews> {
  const { workload, cache, floor, lanes, lmdb, hasPeers, isHot, leftOut } = options
  const crews: Crew[] = []
  let owner: Worker | undefined
  const stop = async () => {
    await Promise.all(crews.map((crew) => crew.stop()))
    await owner?.terminate()
  }
  const add = async (name: string, file: string, data: unknown, portOf?: (lane: number) => MessagePort) => {
    const module = new URL(`variants/${file}.js`, import.meta.url).href
    crews.push(await Crew.start({ name, module, data, lanes, ...(portOf ? { portOf } : {}) }))
  }
  try {
    const floorData: FloorData = { workload, ...floor, pin: 'swap' }
    await add(FLOOR, 'floor', floorData)
    for (const [reads, name] of DCACHE_READS) {
      const data: DcacheData = { workload, handle: cache.handle, engine: 'dcache', reads }
      await add(name, 'dcache', data)
    }
    if (isHot) await add('fetch-add', 'floor', { ...floorData, pin: 'add' })
    if (hasPeers) {
      if (isInstalled('lru-cache', leftOut)) await add('lru-cache of its own', 'lru-cache', { workload })
      if (lmdb !== undefined) {
        const data: LmdbData = { workload, path: lmdb }
        await add('lmdb', 'lmdb', data)
      }
      await add('fs.readSync', 'read-sync', { workload })
      const channels = Array.from({ length: lanes }, () => new MessageChannel())
      const ports = channels.map(({ port1 }) => port1)
      const ownerData: OwnerData = { segments: floor.segments, ports }
      owner = new Worker(new URL('variants/owner.js', import.meta.url), {
        name: 'owner of the blocks',
        workerData: ownerData,
        transferList: ports,
      })
      await add('owner by message', 'message', { workload }, (lane) => channels[lane]!.port2)
    }
    await add(FLOOR_AGAIN, 'floor', floorData)
  } catch (error) {
    await stop()
    throw error
  }
  return { crews, [Symbol.asyncDispose]: stop }
}
