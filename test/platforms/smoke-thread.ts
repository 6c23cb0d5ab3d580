// A thread of smoke.ts.

import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, type CacheHandle } from 'dcache'

export interface SmokeTask {
  readonly handle: CacheHandle
  readonly kind: 'count' | 'copy' | 'hold'
  readonly times: number
}

const { handle, kind, times } = workerData as SmokeTask
const cache = attachCache(handle)
const data = cache.partition('data')

const wordsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Int32Array =>
  new Int32Array(buffer, byteOffset, byteLength / 4)

/** Adds one to the first and to the last word of a block. */
function count(block: number): void {
  const guard = data.acquireSync(block, 'modify')
  const words = wordsOf(guard.data)
  words[0]!++
  words[words.length - 1]!++
  guard.markDirty()
  guard.release()
}

/** Copies a block, in which both words must be the same. */
function copy(block: number): void {
  const bytes = new Uint8Array(4096)
  data.readSync(bytes, block * 4096)
  const words = wordsOf(bytes)
  if (words[0] !== words.at(-1)) throw new Error(`block ${block} is torn: ${words[0]!} and ${words.at(-1)!}`)
}

let answer: string
try {
  if (kind === 'hold') data.acquireSync(0, 'modify').data.fill(0xff)
  else for (let i = 0; i < times; i++) (kind === 'count' ? count : copy)(i % 4)
  if (kind !== 'hold') cache.detach()
  answer = kind === 'hold' ? 'held' : 'done'
} catch (error) {
  answer = String(error)
}
parentPort!.postMessage(answer)
