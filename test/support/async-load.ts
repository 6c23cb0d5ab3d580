// A mixed asynchronous load for one thread: every mode, byte ranges, flushes, and tasks that compete for blocks. Each block
// counts the changes made to it in its first word, so that a lost change shows.

import type { CacheClient, Mode } from 'dcache'

/** How many blocks have counts; those after them are only read. */
export const COUNTED = 12
const CLASSES = ['data', 'directory', 'trailer']

/** Pseudo-random numbers, the same in each run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return Math.floor(((state >>> 8) / 2 ** 24) * below)
  }
}

/** Runs the load; returns how many changes it counted. */
export async function mixedLoad(
  client: CacheClient,
  seed: number,
  tasks: number,
  turns: number,
): Promise<number> {
  const counts = await Promise.all(
    Array.from({ length: tasks }, (_, i) => mixedTask(client, randomNumbers(seed * 1000 + i), turns)),
  )
  return counts.reduce((a, b) => a + b, 0)
}

async function mixedTask(
  client: CacheClient,
  random: (below: number) => number,
  turns: number,
): Promise<number> {
  const partition = client.partition('data')
  let changes = 0
  for (let turn = 0; turn < turns; turn++) {
    const writeClass = CLASSES[random(3)]!
    switch (random(8)) {
      case 0:
        await partition.read(new Uint8Array(1500), (COUNTED + random(20)) * partition.blockSize + random(500))
        break
      case 1:
        await partition.write(
          new Uint8Array(700),
          (COUNTED + random(20)) * partition.blockSize + random(500),
          writeClass,
        )
        break
      case 2:
        if (random(4) === 0)
          await client.flush(random(2) === 0 ? undefined : { partition: 'data', block: random(40) })
        else partition.tryAcquire(random(40), 'read')?.release()
        break
      case 3:
        ;(await partition.acquire(random(60), 'read')).release()
        break
      default: {
        const mode: Mode = random(3) === 0 ? 'overwrite' : 'modify'
        const block = random(COUNTED)
        // An absent block that is overwritten shows zeros: its count would be lost.
        const guard =
          mode === 'modify' ? await partition.acquire(block, mode) : partition.tryAcquire(block, mode)
        if (guard === undefined) break
        const word = new DataView(guard.bytes.buffer, guard.bytes.byteOffset + guard.offset)
        const count = word.getUint32(0)
        if (random(3) === 0) await new Promise(setImmediate)
        word.setUint32(0, count + 1)
        if (random(5) === 0) {
          guard.discard()
        } else {
          guard.markDirty(writeClass)
          guard.release()
          changes++
        }
      }
    }
  }
  return changes
}
