/**
 * Spares and loans: W3, every spare has one owner; W6, loans and the frames that are lent agree.
 *
 * Who owns a spare is found out at different moments, so a spare that moves in between may seem to have none or two. Those that do
 * are looked at again, a few times. What still seems wrong is decided in one hold of the round mutex, with a look at all frames.
 */
import { Frame, Group, Spare } from '../../shared/words.js'
import type { FrameIndex, SpareIndex } from '../../shared/indices.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { type Context, partitionOf } from '../context.js'
import { loanOf, loansOf } from '../changes/loans.js'
import { isOwned, sparesOf } from '../changes/spares.js'
import { undoOf } from '../changes/undo.js'
import { type Check, inOneHold, locked, LOOKS, looksSound, roundOf } from './check-locks.js'

/** Spares of a group, by number. */
interface Range {
  readonly first: SpareIndex
  readonly end: SpareIndex
  readonly areLoans: boolean
}

const spareRange = ({ arena }: Context, group: number): Range => {
  const each = arena.geometry.spares / arena.geometry.groups
  return { first: group * each, end: (group + 1) * each, areLoans: false }
}

const loanRange = ({ arena }: Context, group: number): Range => {
  const { spares, loans, groups } = arena.geometry
  const first = spares + (group * loans) / groups
  return { first, end: first + loans / groups, areLoans: true }
}

/** How many owners each spare and loan seems to have. */
export class SpareOwners {
  readonly #context: Context
  readonly #owners: Uint8Array

  constructor(context: Context) {
    this.#context = context
    this.#owners = new Uint8Array(context.arena.geometry.spares + context.arena.geometry.loans)
  }

  clear(): void {
    this.#owners.fill(0)
  }

  /**
   * Looks at the spares of a group that are free, or kept by a thread. The free list is walked in one hold of the mutex: a link for
   * each free spare, one frame in 64 and what is lent.
   */
  *lookAtLists(check: Check, group: number): Steps<void> {
    const { words, arena } = this.#context
    yield* inOneHold(check, roundOf(this.#context, group), () => {
      let left = this.#owners.length
      for (let link = words[arena.groupAt(group) + Group.spareHead]!; link !== 0 && left > 0; left--) {
        this.#own(link - 1)
        link = words[arena.spareAt(link - 1) + Spare.next]!
      }
    })
    yield* locked(check, roundOf(this.#context, group), this.#lookAtKept(group))
  }

  *#lookAtKept(group: number): Steps<void> {
    const { first, end } = spareRange(this.#context, group)
    for (let spare = first; spare < end; spare++) {
      if (isOwned(this.#context, spare)) this.#own(spare)
      if (spare % PIECE === PIECE - 1) yield
    }
  }

  /** Looks at the spares that a frame has. A spare that a thread keeps moves from block to block without the mutex. @requires round mutex */
  lookAt(frame: FrameIndex): void {
    const { words, arena } = this.#context
    const undo = undoOf(this.#context, frame)
    if (undo >= 0 && !isOwned(this.#context, undo)) this.#own(undo)
    let link = words[arena.frameAt(frame) + Frame.saved]!
    for (; link !== 0; link = words[arena.spareAt(link - 1) + Spare.next]!) this.#own(link - 1)
  }

  /** Whether the loan that a frame is lent to has this frame. @requires round mutex */
  isLentTo(frame: FrameIndex): boolean {
    return this.#frameOf(loanOf(this.#context, frame)) === frame
  }

  /** The spares of each group, of those that were in `before`, that do not seem to have one owner; a loan without a frame has none. */
  *suspects(
    groups: readonly number[],
    before?: readonly ReadonlySet<SpareIndex>[],
  ): Steps<Set<SpareIndex>[]> {
    const found = groups.map(() => new Set<SpareIndex>())
    for (const group of groups)
      for (const range of [spareRange(this.#context, group), loanRange(this.#context, group)])
        for (let spare = range.first; spare < range.end; spare++) {
          const owners = range.areLoans && this.#frameOf(spare) < 0 ? 0 : 1
          if (this.#owners[spare] !== owners && before?.[group]!.has(spare) !== false)
            found[group]!.add(spare)
          if (spare % PIECE === PIECE - 1) yield
        }
    return found
  }

  #own(spare: SpareIndex): void {
    this.#owners[spare] = Math.min(2, this.#owners[spare]! + 1)
  }

  #frameOf(loan: SpareIndex): FrameIndex {
    return this.#context.words[this.#context.arena.spareAt(loan) + Spare.frame]! - 1
  }
}

/** W3. `owners` has one look at everything; `lookAgain` makes another one at the frames. */
export function* checkSpares(check: Check, owners: SpareOwners, lookAgain: () => Steps<void>): Steps<void> {
  const groups = Array.from({ length: check.context.arena.geometry.groups }, (_, group) => group)
  let suspects = yield* owners.suspects(groups)
  for (let looks = 1; looks < LOOKS && suspects.some(({ size }) => size > 0); looks++) {
    owners.clear()
    for (const group of groups) yield* owners.lookAtLists(check, group)
    yield* lookAgain()
    suspects = yield* owners.suspects(groups, suspects)
  }
  for (const group of groups) if (suspects[group]!.size > 0) yield* decide(check, group)
}

function* decide(check: Check, group: number): Steps<void> {
  const { context, broken } = check
  const { words, arena } = context
  yield* inOneHold(check, roundOf(context, group), () => {
    const owners = new Map<SpareIndex, string>()
    const own = (spare: SpareIndex, owner: string) => {
      if (owners.has(spare)) broken.push(`W3 spare ${spare}: in ${owners.get(spare)!} and in ${owner}`)
      owners.set(spare, owner)
    }
    const next = (link: number) => words[arena.spareAt(link - 1) + Spare.next]!
    for (
      let link = words[arena.groupAt(group) + Group.spareHead]!;
      link !== 0 && !owners.has(link - 1);
      link = next(link)
    )
      own(link - 1, 'the free list')
    for (let frame = 0; frame < arena.frames; frame++) {
      const at = arena.frameAt(frame)
      if (words[at + Frame.undo]! <= 0 && words[at + Frame.saved] === 0) continue
      if (words[at + Frame.keyHigh] === 0) continue
      if (context.partitions.find(partitionOf(words, at))?.group !== group) continue
      const undo = undoOf(context, frame)
      if (undo >= 0 && !isOwned(context, undo)) own(undo, `the undo image of frame ${frame}`)
      for (let link = words[at + Frame.saved]!; link !== 0; link = next(link))
        own(link - 1, `the saved images of frame ${frame}`)
    }
    for (const spare of sparesOf(context, group))
      if (isOwned(context, spare)) own(spare, 'the spares that a thread keeps')
    const lent = loansOf(context, group).filter((loan) => words[arena.spareAt(loan) + Spare.frame] !== 0)
    const all = arena.geometry.spares / arena.geometry.groups + lent.length
    if (owners.size !== all) broken.push(`W3 group ${group}: ${owners.size} of ${all} spares have an owner`)
  })
}

/** W6. `strays`: frames that are lent, and whose loan had another frame. */
export function* checkLoans(check: Check, group: number, strays: readonly FrameIndex[]): Steps<void> {
  const { context, broken } = check
  const { words, arena } = context
  const lock = roundOf(context, group)
  if ((yield* looksSound(check, lock, () => lookAtLoans(context, group))) && strays.length === 0) return
  yield* inOneHold(check, lock, () => {
    const at = arena.groupAt(group)
    const loans = loansOf(context, group)
    const lent = loans.filter((loan) => words[arena.spareAt(loan) + Spare.frame] !== 0)
    for (const loan of lent) {
      const frame = words[arena.spareAt(loan) + Spare.frame]! - 1
      if (loanOf(context, frame) !== loan)
        broken.push(`W6 loan ${loan}: its frame ${frame} is not lent to it`)
      if (words[arena.frameAt(frame) + Frame.keyHigh] !== 0)
        broken.push(`W6 ${context.describe(frame)}: lent, but has a key`)
    }
    for (const frame of strays) {
      const loan = loanOf(context, frame)
      if (loan >= 0 && words[arena.spareAt(loan) + Spare.frame] !== frame + 1)
        broken.push(`W6 ${context.describe(frame)}: lent to loan ${loan}, which has another frame`)
    }
    let empty = 0
    for (
      let link = words[at + Group.loanHead]!;
      link !== 0 && empty <= loans.length;
      link = words[arena.spareAt(link - 1) + Spare.next]!
    )
      empty++
    if (words[at + Group.lent] !== lent.length || empty + lent.length !== loans.length)
      broken.push(
        `W6 group ${group}: ${lent.length} of ${loans.length} loans have a frame, ${empty} are listed without one; the count says ${words[at + Group.lent]!} frames are lent`,
      )
  })
}

/** Whether the loans look sound. Those without a frame are a stack: while one of them stays without, the rest behind it stays. */
function* lookAtLoans(context: Context, group: number): Steps<boolean> {
  const { words, arena } = context
  const lentAt = arena.groupAt(group) + Group.lent
  const { first, end } = loanRange(context, group)
  const emptyMax = end - first - words[lentAt]!
  let empty = 0
  for (let link = words[arena.groupAt(group) + Group.loanHead]!; link !== 0;) {
    const at = arena.spareAt(link - 1)
    if (words[at + Spare.frame] !== 0 || ++empty > emptyMax) return false
    if (empty % PIECE === 0) {
      yield
      if (words[at + Spare.frame] !== 0) return false
    }
    link = words[at + Spare.next]!
  }
  if (empty !== emptyMax) return false
  let lent = 0
  for (let loan = first; loan < end; loan++) {
    if (loan % PIECE === PIECE - 1) yield
    const frame = words[arena.spareAt(loan) + Spare.frame]! - 1
    if (frame < 0) continue
    lent++
    if (loanOf(context, frame) !== loan || words[arena.frameAt(frame) + Frame.keyHigh] !== 0) return false
  }
  return lent === words[lentAt]
}
