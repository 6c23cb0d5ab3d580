// The threads of example-kv.test.ts: they use the store of examples/kv, which blocks its thread.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import type { CacheHandle } from 'dcache'
import { Random } from '../../crash/random.js'
import { projectRoot } from '../../support/project.js'
import type { Thread } from '../../support/threads.js'

type Entry = [key: Buffer, value: Buffer]
type Change = [key: Buffer, value: Buffer | undefined]

/** What store.mjs has for a thread. */
interface Store {
  get(key: Buffer): Buffer | undefined
  getAll(keys: Buffer[]): (Buffer | undefined)[]
  write(changes: Change[]): void
  scan(from?: Buffer, to?: Buffer): Iterable<Entry>
  flush(): void
  detach(): void
}

export interface Args {
  readonly handle: CacheHandle
  readonly seed: number
  readonly steps: number
}

const load = (file: string): Promise<unknown> =>
  import(pathToFileURL(join(projectRoot, 'examples/kv', file)).href)
const { attachStore } = (await load('store.mjs')) as {
  attachStore: (handle: CacheHandle, name: string) => Store
}
const { checkTree } = (await load('check.mjs')) as {
  checkTree: (store: Store) => { found: Entry[]; pages: number }
}

/** Keys with a common beginning, so that some separators are long. */
const keyOf = (n: number): Buffer => Buffer.from(`${'k'.repeat(n % 50)}${n}`)
const text = (entries: Iterable<Entry>): string[] =>
  [...entries].map(([key, value]) => `${key.toString()}=${value.toString()}`)

/** One thread: growing, and shrinking until nothing is left, compared with a Map. Returns the most pages that were in use. */
export function againstMap({ args: { handle, seed, steps } }: Thread<Args>): number {
  const store = attachStore(handle, 'model')
  const random = new Random(seed)
  const model = new Map<string, Buffer>()
  const sorted = (): Entry[] =>
    [...model]
      .map(([key, value]): Entry => [Buffer.from(key), value])
      .sort(([a], [b]) => Buffer.compare(a, b))
  const change = (key: Buffer, value: Buffer | undefined): Change => {
    if (value === undefined) model.delete(key.toString())
    else model.set(key.toString(), value)
    return [key, value]
  }
  let most = 0
  for (let step = 0; step < 2 * steps; step++) {
    const grows = step < steps
    const changes = new Map<number, Change>()
    for (let i = random.below(4); i >= 0; i--) {
      const n = random.below(steps)
      const value = random.chance(grows ? 0.9 : 0.1)
        ? Buffer.alloc(random.below(513), 97 + (n % 26))
        : undefined
      changes.set(n, change(keyOf(n), value))
    }
    store.write([...changes.values()])
    const n = random.below(steps)
    assert.equal(store.get(keyOf(n)), model.get(keyOf(n).toString()))
    if (step % Math.ceil(steps / 4) > 0) continue
    const { found, pages } = checkTree(store)
    most = Math.max(most, pages)
    assert.equal(text(found), text(sorted()))
    const [from, to] = [keyOf(random.below(steps)), keyOf(random.below(steps))]
    const isInside = ([key]: Entry): boolean => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0
    assert.equal(text(store.scan(from, to)), text(sorted().filter(isInside)))
  }
  for (const key of [...model.keys()]) store.write([[Buffer.from(key), undefined]])
  const { found, pages } = checkTree(store)
  assert.equal(found, [])
  assert.ok(pages < most / 4, `${pages} of ${most} pages are in use in an empty tree`)
  store.detach()
  return most
}

/** Several threads write, delete and read the same pairs of keys; a pair always has one value, or is not there. */
export function sharePairs({ index, args: { handle, seed, steps } }: Thread<Args>): void {
  const store = attachStore(handle, `sharer ${index}`)
  const random = new Random(seed + index)
  for (let step = 0; step < steps; step++) {
    const n = random.below(400)
    const pair = [Buffer.from(`a${n}`), Buffer.from(`b${(n * 7) % 400} ${n}`)]
    const value = random.chance(step % 200 < 120 ? 0.8 : 0.2)
      ? Buffer.alloc(1 + random.below(512), `${index}.${step};`)
      : undefined
    store.write(pair.map((key): Change => [key, value]))
    const [first, second] = store.getAll(pair)
    assert.equal(first, second)
    if (step % 50 === 0) store.flush()
  }
  store.detach()
}

/** Returns how many keys there are. */
export function checkPairs({ args: { handle } }: Thread<Args>): number {
  const store = attachStore(handle, 'checker')
  const { found } = checkTree(store)
  assert.is(found.length % 2, 0)
  store.detach()
  return found.length
}
