// A thread that reads, changes and flushes until it is ended: from outside, by process.exit or by running out of memory.
// Every block holds one number all over, so that a torn one shows.

import { parentPort, workerData } from 'node:worker_threads'
import { attachCache, type BlockGuard, type CacheHandle } from 'dcache'

const { handle, blocks } = workerData as { handle: CacheHandle; blocks: number }
const cache = attachCache(handle)
const partitions = [cache.partition('a'), cache.partition('b')] as const
const classes = ['data', 'directory', 'trailer']
const below = (limit: number) => Math.floor(Math.random() * limit)

const numbersOf = ({ data }: BlockGuard) => new Int32Array(data.buffer, data.byteOffset, data.length / 4)

parentPort!.on('message', (way: string) => {
  if (way === 'exit') process.exit(0)
  const hoard: number[][] = []
  for (;;) hoard.push(new Array<number>(1e5).fill(Math.random()))
})

function step(): void {
  const partition = partitions[below(2)]!
  const choice = below(100)
  if (choice < 2) {
    cache.flushSync()
    return
  }
  const mode = choice < 50 ? 'read' : choice < 90 ? 'modify' : 'overwrite'
  const guard = partition.acquireSync(below(blocks), mode)
  const numbers = numbersOf(guard)
  const first = numbers[0]!
  if (numbers.some((number) => number !== first))
    throw new Error(`block ${guard.block} of '${partition.name}' is torn`)
  if (mode === 'read') {
    guard.release()
    return
  }
  // Not at once, so that a death in the middle is likely.
  for (let i = 0; i < numbers.length; i++) numbers[i] = first + 1
  if (below(10) === 0) {
    guard.discard()
    return
  }
  guard.markDirty(classes[below(3)])
  guard.release()
}

function work(): void {
  const endMs = performance.now() + 10
  while (performance.now() < endMs) step()
  setImmediate(work)
}
work()
