/**
 * The dirty lists, images and spares of the groups. A frame is looked at without the round mutex, which a clean block does not need;
 * the others are checked with it, FRAMES in each hold. The dirty lists are walked in one hold only if they look wrong again
 * and again, as the lists of the policy are (check-lists.ts): broken, or in the middle of a large round.
 */
import { load } from '#atomics'
import { CLASSES_MAX } from '../../shared/layout.js'
import { classOf, epochOf, isAfter } from '../../shared/stamp.js'
import type { FrameIndex } from '../../shared/indices.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { type Context, partitionOf } from '../context.js'
import { imageStamps } from '../changes/images.js'
import { loanOf } from '../changes/loans.js'
import { hasStage } from '../changes/recorded.js'
import { type Check, inOneHold, locked, LOOKS, looksSound, roundOf } from './check-locks.js'
import { checkLoans, checkSpares, SpareOwners } from './check-spares.js'
import { DirtyLink, Frame, Group, Partition, State } from '../../shared/words.js'

/** How many frames are checked in one hold of the round mutex; some tens of microseconds. */
const FRAMES = 128

export function* checkGroups(check: Check): Steps<void> {
  const { context } = check
  const groups = Array.from({ length: context.arena.geometry.groups }, (_, group) => group)
  const owners = new SpareOwners(context)
  const seen = new Uint8Array(context.arena.geometry.blocks)
  const lists: DirtyLists[] = []
  for (const group of groups) {
    lists.push(new DirtyLists(check, group, seen))
    yield* lists[group]!.look()
    yield* owners.lookAtLists(check, group)
  }
  /** Lent frames whose loan has another frame. */
  const strays = groups.map((): FrameIndex[] => [])
  yield* changedFrames(check, (group, frame) => {
    if (loanOf(context, frame) >= 0 && !owners.isLentTo(frame)) strays[group]!.push(frame)
    if (context.words[context.arena.frameAt(frame) + Frame.keyHigh] === 0) return
    checkImages(check, group, frame)
    lists[group]!.lookAt(frame)
    owners.lookAt(frame)
  })
  for (const group of groups) {
    yield* lists[group]!.conclude()
    yield* checkLoans(check, group, strays[group]!)
  }
  yield* checkSpares(check, owners, () =>
    changedFrames(check, (_, frame) => {
      owners.lookAt(frame)
    }),
  )
}

/** Visits all frames that are not just clean or free, with the round mutex of their group. */
function* changedFrames(check: Check, visit: (group: number, frame: FrameIndex) => void): Steps<void> {
  const { context } = check
  const found = Array.from({ length: context.arena.geometry.groups }, (): FrameIndex[] => [])
  function* visitAll(group: number): Steps<void> {
    const frames = found[group]!.splice(0)
    const section = () => {
      for (const frame of frames) if (groupOf(context, frame) === group) visit(group, frame)
    }
    if (frames.length > 0) yield* inOneHold(check, roundOf(context, group), section)
  }
  for (let frame = 0; frame < context.arena.frames; frame++) {
    const group = isChanged(context, frame) ? groupOf(context, frame) : -1
    if (group >= 0 && found[group]!.push(frame) === FRAMES) {
      yield* visitAll(group)
      yield
    }
    if (frame % PIECE === PIECE - 1) yield
  }
  for (let group = 0; group < found.length; group++) {
    yield* visitAll(group)
    yield
  }
}

/** Whether a frame has anything that the round mutex guards. Certain with it. */
function isChanged({ words, arena }: Context, frame: FrameIndex): boolean {
  const at = arena.frameAt(frame)
  return (
    (load(words, at + Frame.state) & State.CLASS_MASK) !== 0 ||
    words[at + Frame.dirtyNext] !== DirtyLink.NONE ||
    words[at + Frame.saved] !== 0 ||
    words[at + Frame.undo]! > 0
  )
}

/** The group of a frame's block, or to which it is lent; -1 if it is of none. Certain with the round mutex of that group. */
function groupOf(context: Context, frame: FrameIndex): number {
  const { words, arena, partitions } = context
  const at = arena.frameAt(frame)
  if (words[at + Frame.keyHigh] !== 0) return partitions.find(partitionOf(words, at))?.group ?? -1
  const { spares, loans, groups } = arena.geometry
  const loan = loanOf(context, frame)
  return loan < 0 ? -1 : Math.min(groups - 1, Math.floor(((loan - spares) * groups) / loans))
}

/** W4, W5, W7 of one frame. @requires round mutex */
function checkImages({ context, broken }: Check, group: number, frame: FrameIndex): void {
  const epoch = context.words[context.arena.groupAt(group) + Group.epoch]!
  const stamps = imageStamps(context, frame)
  for (const [i, stamp] of stamps.entries()) {
    if (i > 0 && isAfter(epochOf(stamp), epochOf(stamps[i - 1]!)))
      broken.push(`W4 ${context.describe(frame)}: an older image has a newer stamp`)
    if (!hasStage(context, group, stamp))
      broken.push(`W7 ${context.describe(frame)}: class ${classOf(stamp)}, epoch ${epochOf(stamp)}`)
    if (isAfter(epochOf(stamp), epoch))
      broken.push(`W5 ${context.describe(frame)}: stamped after epoch ${epoch}`)
  }
}

/** W1, W2: the dirty lists of a group. First `look`; then `lookAt` each frame that may be in them; then `conclude`. */
class DirtyLists {
  readonly #check: Check
  readonly #context: Context
  readonly #group: number
  /** The number of the last look that met a frame in a list; of all groups, since a frame is in the lists of one. */
  readonly #seen: Uint8Array
  #looks = 0
  #isSound = false
  /** Frames that look wrong. */
  #suspects: FrameIndex[] = []

  constructor(check: Check, group: number, seen: Uint8Array) {
    this.#check = check
    this.#context = check.context
    this.#group = group
    this.#seen = seen
  }

  *look(): Steps<void> {
    this.#isSound = yield* looksSound(this.#check, roundOf(this.#context, this.#group), () => this.#walk())
  }

  /** @requires round mutex */
  lookAt(frame: FrameIndex): void {
    if (this.#looksWrong(frame)) this.#suspects.push(frame)
  }

  /** Looks again at what looked wrong. If it still does, walks the lists in one hold of the mutex. */
  *conclude(): Steps<void> {
    for (let looks = 0; looks < LOOKS; looks++) {
      if (this.#isSound && this.#suspects.length === 0) return
      yield* this.look()
      const left = this.#lookAgain(this.#suspects)
      this.#suspects = (yield* locked(this.#check, roundOf(this.#context, this.#group), left)) ?? []
    }
    const { broken } = this.#check
    const { words, arena, partitions } = this.#context
    yield* inOneHold(this.#check, roundOf(this.#context, this.#group), () => {
      const listed = new Set<FrameIndex>()
      for (let place = 0; place < CLASSES_MAX; place++)
        for (let link = this.#head(place); link !== DirtyLink.END && !listed.has(link - 1);) {
          listed.add(link - 1)
          const newest = classOf(imageStamps(this.#context, link - 1)[0] ?? 0)
          if (newest !== 0 && newest !== place + 1)
            broken.push(
              `W1 ${this.#context.describe(link - 1)}: of class ${newest}, in the dirty list of class ${place + 1}`,
            )
          if (newest === 0) this.#suspects.push(link - 1)
          link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
        }
      const says = words[arena.groupAt(this.#group) + Group.dirty]!
      if (listed.size !== says)
        broken.push(`W2 group ${this.#group}: ${listed.size} dirty frames, the count says ${says}`)
      const of = new Map<number, number>()
      for (const frame of listed) {
        const partition = partitionOf(words, arena.frameAt(frame))
        of.set(partition, (of.get(partition) ?? 0) + 1)
      }
      for (const { index, name } of partitions.ofGroup(this.#group)) {
        const more = (of.get(index) ?? 0) - words[arena.partitionAt(index) + Partition.dirty]!
        if (more !== 0) broken.push(`W2 partition '${name}': ${more} dirty frames more than the count says`)
      }
      for (const frame of new Set(this.#suspects)) {
        if (groupOf(this.#context, frame) !== this.#group) continue
        const hasImages = this.#hasImages(frame)
        if (hasImages && !listed.has(frame))
          broken.push(
            `W1 ${this.#context.describe(frame)}: has an unwritten image, but is not in the dirty list`,
          )
        if (!hasImages && !this.#mayBeEither(frame) && listed.has(frame))
          broken.push(`W1 ${this.#context.describe(frame)}: has no unwritten image, but is in the dirty list`)
      }
    })
  }

  *#lookAgain(suspects: readonly FrameIndex[]): Steps<FrameIndex[]> {
    const left: FrameIndex[] = []
    for (const [i, frame] of suspects.entries()) {
      if (groupOf(this.#context, frame) === this.#group && this.#looksWrong(frame)) left.push(frame)
      if (i % FRAMES === FRAMES - 1) yield
    }
    return left
  }

  /** A frame that came into a list after the last look looks wrong too. @requires round mutex */
  #looksWrong(frame: FrameIndex): boolean {
    const isListed = this.#isListed(frame)
    if (this.#hasImages(frame) !== isListed) return !this.#mayBeEither(frame)
    return isListed && this.#seen[frame] === 0
  }

  /**
   * Whether the lists are sound. Frames are added at their heads; those that came since the look began are counted in the end.
   * @requires round mutex for each piece
   */
  *#walk(): Steps<boolean> {
    const { words, arena, partitions } = this.#context
    const look = ++this.#looks
    const of = new Uint32Array(arena.geometry.partitions)
    let length = 0
    const meet = (frame: FrameIndex) => {
      this.#seen[frame] = look
      of[partitionOf(words, arena.frameAt(frame))]!++
      length++
    }
    for (let place = 0; place < CLASSES_MAX; place++) {
      let previous: number = DirtyLink.END
      for (let link = this.#head(place); link !== DirtyLink.END;) {
        const at = arena.frameAt(link - 1)
        if (words[at + Frame.dirtyPrevious] !== previous || !this.#isIn(link - 1, place)) return false
        meet(link - 1)
        if (length > arena.frames) return false
        if (length % PIECE === 0) {
          yield
          if (!this.#isListed(link - 1) || !this.#isIn(link - 1, place)) return false
        }
        previous = link
        link = words[at + Frame.dirtyNext]!
      }
    }
    let left = PIECE
    for (let place = 0; place < CLASSES_MAX; place++)
      for (let link = this.#head(place); link !== DirtyLink.END && this.#seen[link - 1] !== look;) {
        if (left-- === 0) return false
        meet(link - 1)
        link = words[arena.frameAt(link - 1) + Frame.dirtyNext]!
      }
    return (
      length === words[arena.groupAt(this.#group) + Group.dirty] &&
      partitions
        .ofGroup(this.#group)
        .every(({ index }) => of[index] === words[arena.partitionAt(index) + Partition.dirty])
    )
  }

  #head(place: number): number {
    const { words, arena } = this.#context
    return words[arena.groupAt(this.#group) + Group.dirtyHeads + place]!
  }

  /** Whether a frame may be in the list of a class, by its newest image. */
  #isIn(frame: FrameIndex, place: number): boolean {
    const newest = classOf(imageStamps(this.#context, frame)[0] ?? 0)
    return newest === 0 || newest === place + 1
  }

  #hasImages(frame: FrameIndex): boolean {
    return imageStamps(this.#context, frame).length > 0
  }

  /** A frame that has saved images, which are all durable, may be listed or not. */
  #mayBeEither(frame: FrameIndex): boolean {
    const { words, arena } = this.#context
    return !this.#hasImages(frame) && words[arena.frameAt(frame) + Frame.saved] !== 0
  }

  #isListed(frame: FrameIndex): boolean {
    const { words, arena } = this.#context
    const link = words[arena.frameAt(frame) + Frame.dirtyNext]!
    return link > 0 || link === DirtyLink.END
  }
}
