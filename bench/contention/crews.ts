/**
 * The contenders of `contention`: what threads contend for, each with its memory and the condition that must hold after
 * it.
 */
import type { BlockCache } from 'dcache'
import { Crew } from '../harness/crew.js'
import { floorMemory } from '../hit/crews.js'
import type { DcacheData } from '../hit/variants/dcache.js'
import type { Workload } from '../hit/workload.js'
import { type GlobalMutexData, tableOf } from './variants/global-mutex.js'
import { latchMemory } from './one-latch.js'
import { FIRST_AT, type LatchData, SECOND_AT } from './variants/latch.js'
import type { OneBlockData } from './variants/one-block.js'
import { COUNTER_AT, type MutexData } from './variants/mutex.js'
import { PAIR_WORDS, type PingPongData } from './variants/ping-pong.js'
import { RING_WORDS, type RingData, ringIn } from './variants/ring.js'
import { LINE_WORDS, type WordsData } from './variants/words.js'

export interface Contender {
  readonly name: string
  readonly module: string
  readonly data: unknown
  /** Needs an even number of threads. */
  readonly isOfPairs?: boolean
  /** Whether memory shows the effect of every operation of the lanes. */
  isRight(crew: Crew): boolean
}

const words = (count: number) => new Int32Array(new SharedArrayBuffer(count * 4))
const moduleOf = (path: string) => new URL(`${path}.js`, import.meta.url).href

function plain(name: string, isShared: boolean, lanes: number): Contender {
  const data: WordsData = { words: words(lanes * LINE_WORDS), isShared }
  const sum = () => data.words.reduce((a, b) => (a + b) | 0, 0)
  return {
    name,
    module: moduleOf('variants/words'),
    data,
    isRight: (crew) => sum() === (crew.operations | 0),
  }
}

export function latch(name: string, writes: LatchData['writes'], lanes: number): Contender {
  const data: LatchData = { buffer: latchMemory(lanes), guarded: words(32), writes }
  const isRight = ({ sum }: Crew) => data.guarded[FIRST_AT] === sum && data.guarded[SECOND_AT] === sum
  return { name, module: moduleOf('variants/latch'), data, isRight }
}

export function primitives(lanes: number): Contender[] {
  const mutexData: MutexData = { words: words(64) }
  const pingPong: PingPongData = { words: words(PAIR_WORDS * Math.ceil(lanes / 2)) }
  const ringData: RingData = { words: words(RING_WORDS) }
  const ring = ringIn(ringData.words)
  ring.init()
  return [
    plain('fetch-add, one word', true, lanes),
    plain('fetch-add, own lines', false, lanes),
    {
      name: 'mutex',
      module: moduleOf('variants/mutex'),
      data: mutexData,
      isRight: ({ operations }) => mutexData.words[COUNTER_AT] === (operations | 0),
    },
    latch('latch, all read', 0, lanes),
    latch('latch, 95 % read', 0.05, lanes),
    latch('latch, 50 % read', 0.5, lanes),
    {
      name: 'condition, ping-pong',
      module: moduleOf('variants/ping-pong'),
      data: pingPong,
      isOfPairs: true,
      isRight: () => true, // a lost turn ends in a timeout
    },
    {
      name: 'ring, put and take',
      module: moduleOf('variants/ring'),
      data: ringData,
      isRight: ({ sum }) => sum === 0 && ring.isEmpty,
    },
  ]
}

/** A hit of dcache, and a hit of a cache with one mutex. The lanes check what they read. */
export function caches(workload: Workload, cache: BlockCache): Contender[] {
  const globalMutex: GlobalMutexData = {
    workload,
    mutexWords: words(16),
    ...tableOf(workload.blocks),
    ...floorMemory(workload.path, workload.blocks),
  }
  const dcache: DcacheData = { workload, handle: cache.handle, engine: 'dcache', reads: 'bytes' }
  return [
    {
      name: 'cache, one mutex',
      module: moduleOf('variants/global-mutex'),
      data: globalMutex,
      isRight: () => globalMutex.words.every((pins) => pins === 0),
    },
    { name: 'dcache', module: moduleOf('../hit/variants/dcache'), data: dcache, isRight: () => true },
  ]
}

/** One block of a cache. Its contents are not checked, because rounds and evictions are not the subject here. */
export const oneBlock = (name: string, data: OneBlockData): Contender => ({
  name,
  module: moduleOf('variants/one-block'),
  data,
  isRight: () => true,
})

export const start = ({ name, module, data }: Contender, lanes: number): Promise<Crew> =>
  Crew.start({ name, module, data, lanes })
