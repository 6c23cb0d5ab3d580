/**
 * A cache that is opened again gets back the blocks that it had: `close` writes their names, and the owner of the next one asks the
 * reader for them, in order of address, at a limited rate, and only as long as frames are free. So the work that has begun by then
 * loses neither frames nor the disk to it. Whatever goes wrong with the list is a warning: without it the cache only begins cold.
 */
import { performance } from 'node:perf_hooks'
import type { Context, PartitionView } from '../core/context.js'
import { Purpose } from '../core/blocks/victims.js'
import { giveHint } from '../core/prefetch/hints.js'
import { cachedByWorth, expect, freeFrames } from '../core/prefetch/worth.js'
import { load } from '#atomics'
import { HINTS_MAX } from '../shared/layout.js'
import { Slot } from '../shared/words.js'
import { readList, type WarmList, writeList } from './warm-list.js'

/** Bytes of one hint: as many as a device call reads ahead. A hint of more than a quarter of the frames would be cut. */
const STEP_BYTES = 2 ** 18
/** How often the owner looks whether the reader has taken hints; timers are no finer. */
const LOOK_MS = 1

export class Warmth {
  readonly #context: Context
  readonly #bytesPerSecond: number
  #isOver = false

  /** `context`: the owner's. */
  constructor(context: Context, bytesPerSecond: number) {
    this.#context = context
    this.#bytesPerSecond = bytesPerSecond
  }

  /** Writes the list of the cached blocks. Never rejects. */
  async save(path: string): Promise<void> {
    const views = this.#context.partitions.all()
    const partitions: { name: string; blockSize: number }[] = []
    for (const { index, name, blockSize } of views) partitions[index] = { name, blockSize }
    try {
      await writeList(path, { partitions, cached: cachedByWorth(this.#context) })
    } catch (error) {
      warn(path, 'was not written', error)
    }
  }

  /** Reads back what a list has, in the background. Never rejects. */
  async restore(path: string): Promise<void> {
    try {
      const list = await readList(path)
      if (list !== undefined) await this.#load(runsOf(this.#context, list))
    } catch (error) {
      warn(path, 'is ignored', error)
    }
  }

  /** No more is read. */
  end(): void {
    this.#isOver = true
  }

  async #load(runs: readonly Run[]): Promise<void> {
    // When the limit allows the next step.
    let dueMs = performance.now()
    for (const { view, first, count } of runs) {
      const step = Math.max(1, Math.floor(Math.min(STEP_BYTES / view.blockSize, view.framesMax / 4)))
      for (let block = first; block < first + count; block += step) {
        const blocks = Math.min(step, first + count - block)
        const isStanding = this.#context.partitions.find(view.index) === view && view.look() >= block + blocks
        if (!isStanding) break
        const aheadMs = dueMs - performance.now()
        if (aheadMs > LOOK_MS) await pause(aheadMs)
        await this.#untilRoom()
        // The reader would drop them, since nothing is evicted for them.
        if (this.#isOver || freeFrames(this.#context) < blocks) return
        expect(this.#context, view, block, blocks)
        giveHint(this.#context, view, block, blocks, Purpose.SPARE)
        dueMs = Math.max(dueMs, performance.now()) + (blocks * view.blockSize * 1000) / this.#bytesPerSecond
      }
    }
  }

  /** Until half of the owner's hints may be given: with no room for more, one of its own would be dropped. */
  async #untilRoom(): Promise<void> {
    const { words, slot } = this.#context
    const given = () => (words[slot.at + Slot.hintsGiven]! - load(words, slot.at + Slot.hintsTaken)) | 0
    while (!this.#isOver && given() >= HINTS_MAX / 2) await pause(LOOK_MS)
  }
}

/** Neighbouring blocks. */
interface Run {
  readonly view: PartitionView
  readonly first: number
  readonly count: number
}

/** The blocks of a list that are most worth it, as many as there are frames, in order of address. */
function runsOf(context: Context, { partitions, cached }: WarmList): Run[] {
  const byName = new Map(context.partitions.all().map((view) => [view.name, view]))
  const views = partitions.map((listed) => {
    const view = listed && byName.get(listed.name)
    return view?.blockSize === listed?.blockSize ? view : undefined
  })
  const wanted: { view: PartitionView; block: number }[] = []
  for (let i = 0; i < cached.blocks.length && wanted.length < context.arena.frames; i++) {
    const [view, block] = [views[cached.partitions[i]!], cached.blocks[i]!]
    if (view !== undefined && block >= 0 && block < view.blocks) wanted.push({ view, block })
  }
  wanted.sort((a, b) => a.view.index - b.view.index || a.block - b.block)
  const runs: { view: PartitionView; first: number; count: number }[] = []
  for (const { view, block } of wanted) {
    const last = runs.at(-1)
    if (last?.view === view && block === last.first + last.count) last.count++
    else runs.push({ view, first: block, count: 1 })
  }
  return runs
}

/** Does not keep the process alive. */
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })

function warn(path: string, what: string, error: unknown): void {
  process.emitWarning(`the list of cached blocks ${path} ${what}: ${(error as Error).message}`, {
    type: 'CacheWarning',
    code: 'DCACHE_WARM_LIST',
  })
}
