/**
 * The two parts of policy `adaptive`, in which a frame may be:
 *
 *   NEW    a loop (loop.ts) from the oldest frame to the newest
 *   MAIN   a dense array without an order: its frames are sampled (sample.ts), so that none has to be moved when it is used
 *
 * `Frame.used` of a frame of MAIN is -1, also while the frame is out, dirty or held, and so says where it returns to. In NEW it
 * is a link of the loop, and 0 while it is out. `Frame.policySlot` is the other link, or the place in MAIN plus one; 0 when it
 * is out. The policy region has the frames of MAIN. A thread that dies in here leaves either of these in disorder: `reset`, and
 * then `readmit` for each frame, which finds the part by `used`; so that word is stored last.
 */
import type { Words } from '#atomics'
import type { Arena } from '../../shared/arena.js'
import type { FrameIndex } from '../../shared/indices.js'
import { DEBUG } from '../../shared/mutex.js'
import { PIECE, type Steps } from '../../shared/steps.js'
import { Frame, Header } from '../../shared/words.js'
import { Loop } from './loop.js'
import { TICKS } from './uses.js'

/** `Frame.used` of a frame whose part is MAIN. */
const MAIN = -1

/** All @requires policy mutex */
export class Parts {
  readonly #arena: Arena
  readonly #words: Words
  readonly #framesAt: number
  readonly #mainAt: number
  readonly #new: Loop

  constructor(arena: Arena) {
    this.#arena = arena
    this.#words = arena.words
    this.#framesAt = arena.framesAt
    this.#mainAt = arena.policyAt
    this.#new = new Loop(arena.words, {
      headAt: Header.newOldest,
      itemsAt: arena.framesAt,
      stride: Frame.WORDS,
      newer: Frame.policySlot,
      older: Frame.used,
    })
  }

  get newSize(): number {
    return this.#words[Header.newSize]!
  }

  get mainSize(): number {
    return this.#words[Header.mainSize]!
  }

  /** The ticks that a block is in NEW, rounded down. */
  lengthOfNew(): number {
    return Math.floor((this.newSize * TICKS) / this.#words[Header.frames]!)
  }

  /** Whether the frame is in MAIN or will return there. */
  isOfMain(frame: FrameIndex): boolean {
    return this.#words[this.#framesAt + frame * Frame.WORDS + Frame.used] === MAIN
  }

  has(frame: FrameIndex): boolean {
    return this.isOfMain(frame) ? this.#isAtItsPlace(frame) : this.#new.isLinked(frame)
  }

  /** The oldest frame of NEW, -1 if there is none. */
  oldestNew(): FrameIndex {
    return this.#new.oldest()
  }

  /** Makes the oldest frame of NEW the newest. @requires one */
  turnNew(): void {
    this.#new.turn()
  }

  /** The frame at a place of MAIN. */
  mainAt(place: number): FrameIndex {
    return this.#words[this.#mainAt + place]!
  }

  addNewest(frame: FrameIndex): void {
    this.#new.addNewest(frame)
    this.#words[Header.newSize]!++
  }

  addToMain(frame: FrameIndex): void {
    const at = this.#framesAt + frame * Frame.WORDS
    const place = this.mainSize
    this.#words[this.#mainAt + place] = frame
    this.#words[at + Frame.policySlot] = place + 1
    this.#words[Header.mainSize] = place + 1
    this.#words[at + Frame.used] = MAIN
  }

  /** Inserts a frame again that was removed. It was the oldest of NEW, or near it. */
  readmit(frame: FrameIndex): void {
    if (this.isOfMain(frame)) {
      this.addToMain(frame)
      return
    }
    this.#new.addOldest(frame)
    this.#words[Header.newSize]!++
  }

  /** @requires the frame is in one of them */
  remove(frame: FrameIndex): void {
    if (DEBUG && !this.has(frame)) throw new Error(`frame ${frame} is removed, but is in neither part`)
    const at = this.#framesAt + frame * Frame.WORDS
    if (!this.isOfMain(frame)) {
      this.#new.remove(frame)
      this.#words[at + Frame.used] = 0
      this.#words[Header.newSize]!--
      return
    }
    const place = this.#words[at + Frame.policySlot]! - 1
    const end = this.mainSize - 1
    const last = this.mainAt(end)
    this.#words[Header.mainSize] = end
    this.#words[this.#mainAt + place] = last
    this.#words[this.#framesAt + last * Frame.WORDS + Frame.policySlot] = place + 1
    this.#words[at + Frame.policySlot] = 0
  }

  /** Moves the oldest frame of NEW to MAIN. @requires one */
  moveOldest(): void {
    const frame = this.oldestNew()
    this.remove(frame)
    this.addToMain(frame)
  }

  /** Empties both. Frames keep their part. */
  reset(): void {
    for (const word of [Header.newOldest, Header.newSize, Header.mainSize, Header.mainHand, Header.mainSweep])
      this.#words[word] = 0
    for (let frame = 0; frame < this.#arena.frames; frame++) {
      const at = this.#framesAt + frame * Frame.WORDS
      this.#words[at + Frame.policySlot] = 0
      if (this.#words[at + Frame.used] !== MAIN) this.#words[at + Frame.used] = 0
    }
  }

  /**
   * P1 each frame of MAIN knows its place, NEW has its own frames, once, and no frame says that it is where it is not; P2 the size of
   * NEW is right, and all counts and places are in their bounds.
   */
  check(): string[] {
    const { frames } = this.#arena
    const broken = this.#boundsBroken()
    for (let place = 0; place < Math.min(this.mainSize, frames); place++) {
      const frame = this.mainAt(place)
      if (!this.#isAt(frame, place))
        broken.push(`P1 frame ${frame}: is at place ${place} of MAIN, does not say so`)
    }
    const inNew = new Set(this.#new.items(frames))
    for (const frame of inNew)
      if (!this.#isOfNew(frame)) broken.push(`P1 frame ${frame}: is in NEW, does not say so`)
    if (inNew.size !== this.newSize)
      broken.push(`P2 ${inNew.size} frames are in NEW, the count says ${this.newSize}`)
    for (let frame = 0; frame < frames; frame++) {
      if (!inNew.has(frame) && this.#isOfNew(frame))
        broken.push(`P1 frame ${frame}: says that it is in NEW, is not`)
      if (!this.#isSoundOut(frame)) broken.push(`P1 frame ${frame}: is in neither part, but has a place`)
    }
    return broken
  }

  /**
   * As that of the policy (policy.ts): places of MAIN one by one, so that changes between two pieces do no harm. A frame that is in NEW
   * before its walk and after it, but not met, is not linked to the others; or it has left and come back, and then there is another look.
   */
  *look(): Steps<boolean> {
    if (this.#boundsBroken().length > 0) return false
    for (let place = 0; place < this.mainSize; place++) {
      if (!this.#isAt(this.mainAt(place), place)) return false
      if (place % PIECE === PIECE - 1) yield
    }
    const { frames, geometry } = this.#arena
    const before = new Uint8Array(geometry.blocks)
    for (let frame = 0; frame < frames; frame++) {
      if (!this.#isSoundOut(frame)) return false
      if (this.#isOfNew(frame)) before[frame] = 1
      if (frame % PIECE === PIECE - 1) yield
    }
    const seen = new Uint8Array(geometry.blocks)
    const isOwn = (frame: FrameIndex): boolean => this.#isOfNew(frame)
    if (!(yield* this.#new.look(seen, 1, isOwn, () => this.newSize))) return false
    for (let frame = 0; frame < frames; frame++) {
      if (before[frame] === 1 && seen[frame] === 0 && this.#isOfNew(frame)) return false
      if (frame % PIECE === PIECE - 1) yield
    }
    return true
  }

  #boundsBroken(): string[] {
    const { frames } = this.#arena
    return ([['size of NEW', this.newSize], ['size of MAIN', this.mainSize], ['hand', this.#words[Header.mainHand]!], ['sweep', this.#words[Header.mainSweep]!]] as const) // prettier-ignore
      .filter(([, count]) => count < 0 || count > frames)
      .map(([what, count]) => `P2 the ${what} is ${count}, of ${frames} frames`)
  }

  #isOfNew(frame: FrameIndex): boolean {
    return frame >= 0 && frame < this.#arena.frames && !this.isOfMain(frame) && this.#new.isLinked(frame)
  }

  /** Whether a frame that holds a block and is in neither part has no place in one. A free frame has another link there. */
  #isSoundOut(frame: FrameIndex): boolean {
    const at = this.#framesAt + frame * Frame.WORDS
    const hasPlace =
      this.#words[at + Frame.policySlot] !== 0 ||
      (!this.isOfMain(frame) && this.#words[at + Frame.used] !== 0)
    return !hasPlace || this.#words[at + Frame.keyHigh] === 0 || this.has(frame)
  }

  #isAtItsPlace(frame: FrameIndex): boolean {
    const place = this.#words[this.#framesAt + frame * Frame.WORDS + Frame.policySlot]! - 1
    return place >= 0 && place < this.mainSize && this.mainAt(place) === frame
  }

  #isAt(frame: FrameIndex, place: number): boolean {
    return (
      frame >= 0 &&
      frame < this.#arena.frames &&
      this.isOfMain(frame) &&
      this.#words[this.#framesAt + frame * Frame.WORDS + Frame.policySlot] === place + 1
    )
  }
}
