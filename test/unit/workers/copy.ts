// The threads of copy.test.ts: they read cached blocks as if they ran on a given processor.

import type { Thread } from '../../support/threads.js'

/** How reads of cached blocks were counted, and their trace records. */
export interface Reads {
  readonly hits: number
  readonly misses: number
  readonly points: readonly string[]
  readonly sum: number
}

/** Reads four cached blocks, one by one and in one range. */
export async function readsOn({ args: arch }: Thread<string>): Promise<Reads> {
  Object.defineProperty(process, 'arch', { value: arch })
  // Imported after that, because the engine reads the value once.
  const { InlineEngine } = await import('../../support/inline-engine.js')
  const { MemoryDevice } = await import('../../support/memory-device.js')
  const device = new MemoryDevice(64 * 512)
  device.prepare(new Uint8Array(64 * 512).fill(1))
  const engine = new InlineEngine({
    blocks: 64,
    traceEntries: 256,
    partitions: { a: { device, blockSize: 512 } },
  })
  const a = engine.client.partition('a')
  const all = new Uint8Array(4 * 512)
  a.readSync(all, 0)
  const before = engine.client.stats()
  const records = engine.client.trace().length
  const bytes = new Uint8Array(8)
  let sum = 0
  for (let block = 0; block < 4; block++) {
    a.readSync(bytes, block * 512 + 100)
    sum += bytes.reduce((x, y) => x + y)
  }
  await a.read(all, 0)
  sum += all.reduce((x, y) => x + y)
  const after = engine.client.stats()
  const points = engine.client.trace().slice(records).map(({ point }) => point) // prettier-ignore
  return { hits: after.hits - before.hits, misses: after.misses - before.misses, points, sum }
}
