/**
 * A map of the pool: the frames in equal runs, and for each run what its frames hold. Plain reads, concurrently with other
 * threads: each count is true of some moment, but not all of the same one.
 *
 * Cost: a look at each frame, and at no more than LOOKS_MAX of them; of a larger pool each run is sampled evenly.
 */
import { pinsOf, writerOf } from '../../shared/latch.js'
import { partitionIn } from '../../shared/key.js'
import { PARTITIONS_MAX } from '../../shared/layout.js'
import type { PoolCell, PoolMap } from '../../shared/reports.js'
import { refuse, show } from '../../shared/values.js'
import { loanOf } from '../changes/loans.js'
import type { Context } from '../context.js'
import { Frame, State } from '../../shared/words.js'

const CELLS_MIN = 16
const CELLS_MAX = 4096
const CELLS_DEFAULT = 1024
/** The most frames that one call looks at: some milliseconds. */
const LOOKS_MAX = 131_072

/** Any thread; takes no lock. @throws ERR_DCACHE_BAD_OPTION */
export function poolMap(context: Context, options: { readonly cells?: number } = {}): PoolMap {
  if (typeof options !== 'object' || (options as unknown) === null)
    refuse(`the options are ${show(options)}; they must be an object`)
  const { cells = CELLS_DEFAULT } = options
  if (!Number.isInteger(cells) || cells < CELLS_MIN || cells > CELLS_MAX)
    refuse(`cells is ${show(cells)}; it must be a whole number from ${CELLS_MIN} to ${CELLS_MAX}`)
  const { frames } = context.arena
  const count = Math.min(cells, frames)
  const looksMax = frames <= LOOKS_MAX ? Infinity : Math.floor(LOOKS_MAX / count)
  const tally = new Tally()
  let looked = 0
  const map = Array.from({ length: count }, (_, i) => {
    const first = Math.floor((i * frames) / count)
    const cell = cellOf(context, first, Math.floor(((i + 1) * frames) / count) - first, looksMax, tally)
    looked += cell.looked
    return cell
  })
  return { frames, looked, cells: map }
}

function cellOf(context: Context, first: number, frames: number, looksMax: number, tally: Tally): PoolCell {
  const { words, arena, policy } = context
  const looked = Math.min(frames, looksMax)
  const counts = { free: 0, clean: 0, dirty: 0, absent: 0, lent: 0, held: 0, hot: 0 }
  for (let look = 0; look < looked; look++) {
    // The middle of each of as many parts as are looked at; with all frames, each of them.
    const frame = first + Math.floor(((look + 0.5) * frames) / looked)
    const at = arena.frameAt(frame)
    const latch = words[at + Frame.latch]!
    if (pinsOf(latch) > 0 || writerOf(latch) >= 0) counts.held++
    const keyHigh = words[at + Frame.keyHigh]!
    if (keyHigh === 0) {
      if (loanOf(context, frame) >= 0) counts.lent++
      else counts.free++
      continue
    }
    tally.count(partitionIn(keyHigh))
    const state = words[at + Frame.state]!
    if ((state & State.CLASS_MASK) !== 0) counts.dirty++
    else if ((state & State.ABSENT) !== 0) counts.absent++
    else counts.clean++
    if (policy.isHot(frame)) counts.hot++
  }
  return { frames, looked, ...counts, partition: tally.most() }
}

/** Which partition was counted most often since the last question. */
class Tally {
  readonly #counts = new Int32Array(PARTITIONS_MAX)
  readonly #counted: number[] = []

  count(partition: number): void {
    if (this.#counts[partition] === 0) this.#counted.push(partition)
    this.#counts[partition]!++
  }

  /** -1 if none was; of several the one that was counted first. */
  most(): number {
    let [most, count] = [-1, 0]
    for (const partition of this.#counted) {
      if (this.#counts[partition]! > count) [most, count] = [partition, this.#counts[partition]!]
      this.#counts[partition] = 0
    }
    this.#counted.length = 0
    return most
  }
}
