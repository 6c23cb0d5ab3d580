/**
 * The reads of a load: through a guard, and as byte ranges: within a block, a whole block, and across a block boundary.
 */
import { performance, type RecordableHistogram } from 'node:perf_hooks'
import type { BlockGuard } from '../shared/interface.js'
import { type LoadContext, record, type Target } from './context.js'

const BLOCK_MAX = 65536

export class Reader {
  readonly #context: LoadContext
  readonly #times: RecordableHistogram
  readonly #buffer = new Uint8Array(2 * BLOCK_MAX)

  constructor(context: LoadContext, times: RecordableHistogram) {
    this.#context = context
    this.#times = times
  }

  access(target: Target): void {
    const { random, mayCross } = this.#context
    const lot = random.below(16)
    if (lot < 11) this.#guarded(target)
    else if (lot < 13) this.#whole(target)
    else if (lot < 15 || !mayCross || target.block + 1 === target.partition.blocks) this.#inside(target)
    else this.#across(target)
  }

  #guarded(target: Target): void {
    this.#withGuard(target, () => {
      this.#context.count('bytesRead', target.partition.blockSize)
    })
  }

  /** Reads a whole block as bytes. No guard protects the result, so the version tells whether it can be compared. */
  #whole(target: Target): void {
    const { truth } = this.#context
    const { partition, index, block } = target
    const bytes = this.#buffer.subarray(0, partition.blockSize)
    const version = truth.version(index, block)
    this.#read(target, bytes, block * partition.blockSize)
    const isRight = truth.heldAt(index, block, version, bytes)
    if (isRight === undefined) this.#context.count('unchecked')
    else if (!isRight) this.#context.wrong(target, bytes, 'readSync of a block')
  }

  /** Reads some bytes of a block while a guard is held. They must equal the guard's data. */
  #inside(target: Target): void {
    const { random } = this.#context
    const { partition, block } = target
    const start = random.below(partition.blockSize)
    const bytes = this.#buffer.subarray(0, 1 + random.below(partition.blockSize - start))
    this.#withGuard(target, (data) => {
      partition.readSync(bytes, block * partition.blockSize + start)
      this.#context.count('repeated')
      this.#context.count('bytesRead', bytes.length)
      if (Buffer.compare(bytes, data.subarray(start, start + bytes.length)) !== 0)
        this.#context.wrong(target, data, 'readSync inside a block')
    })
  }

  /** Reads across a block boundary. Each half that did not change in the meantime must equal its guard's data. */
  #across(target: Target): void {
    const { random, truth } = this.#context
    const { partition, index, block } = target
    const { blockSize } = partition
    const start = random.below(blockSize)
    const bytes = this.#buffer.subarray(0, blockSize - start + 1 + random.below(blockSize))
    const versions = [truth.version(index, block), truth.version(index, block + 1)]
    this.#read(target, bytes, block * blockSize + start)
    const parts = [bytes.subarray(0, blockSize - start), bytes.subarray(blockSize - start)]
    parts.forEach((part, i) => {
      const half = { partition, index, block: block + i }
      this.#context.count('repeated')
      this.#withGuard(half, (data) => {
        if (truth.isAnnounced(index, half.block) || truth.version(index, half.block) !== versions[i]) {
          this.#context.count('unchecked')
          return
        }
        const from = i === 0 ? start : 0
        if (Buffer.compare(part, data.subarray(from, from + part.length)) !== 0)
          this.#context.wrong(half, data, 'readSync across a border')
      })
    })
  }

  #read({ partition }: Target, bytes: Uint8Array, position: number): void {
    const startMs = performance.now()
    partition.readSync(bytes, position)
    record(this.#times, performance.now() - startMs)
    this.#context.count('bytesRead', bytes.length)
  }

  /** Acquires a read guard, compares the block with the truth, and passes the data to `look`. */
  #withGuard(target: Target, look: (data: Uint8Array) => void): void {
    const { truth, random } = this.#context
    const { partition, index, block } = target
    const startMs = performance.now()
    const isPatient = random.below(8) !== 0
    const guard: BlockGuard =
      (isPatient ? undefined : partition.tryAcquire(block, 'read')) ?? partition.acquireSync(block, 'read')
    const heldMs = performance.now()
    let endMs: number
    try {
      const { data } = guard
      if (!truth.holds(index, block, data)) this.#context.wrong(target, data, 'read guard')
      look(data)
    } finally {
      endMs = performance.now()
      guard.release()
    }
    record(this.#times, heldMs - startMs + (performance.now() - endMs))
  }
}
