/**
 * Images of blocks, as in src/core/changes/images.ts: undo and saved images, their stamps, and which images of a cut are
 * unwritten. All of this happens under the round mutex. Each function is one effect that a death may follow.
 */
import type { Model } from './model.js'
import { commitVersion, isCounted } from './history.js'
import {
  Block,
  blockAt,
  Group,
  INTENT,
  RELEASED_UNCHANGED,
  Spare,
  spareAt,
  type State,
  WHOLE,
} from './state.js'

/** A free spare, 0 if there is none. */
export function freeSpareOf(m: Model, s: State): number {
  for (let spare = 1; spare <= m.spares; spare++) if (s[spareAt(spare) + Spare.free] === 1) return spare
  return 0
}

export function freeSpare(s: State, spare: number): void {
  const at = spareAt(spare)
  s.fill(0, at, at + Spare.size)
  s[at + Spare.free] = 1
}

/** Makes a spare the block's undo, of one half or, with -1, of the whole block. */
export function bindUndo(s: State, block: number, spare: number, half: number): void {
  const at = spareAt(spare)
  s.fill(0, at, at + Spare.owner)
  s[at + Spare.range] = half < 0 ? WHOLE : 1 + half
  s[blockAt(block) + Block.undo] = spare
}

export function isSaved(s: State, block: number, spare: number): boolean {
  for (let link = s[blockAt(block) + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!)
    if (link === spare) return true
  return false
}

/** Whether the frame's own image is unwritten and within the cut. */
export function ownsWithin(s: State, block: number, cut: number): boolean {
  const at = blockAt(block)
  return s[at + Block.class] !== 0 && s[at + Block.epoch]! <= cut
}

/** The newest saved image within the cut, 0 if there is none. */
export function savedWithin(s: State, block: number, cut: number): number {
  for (let link = s[blockAt(block) + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!)
    if (s[spareAt(link) + Spare.epoch]! <= cut) return link
  return 0
}

/** Whether the block has an unwritten image within the cut. */
export const isUnwrittenWithin = (s: State, block: number, cut: number): boolean =>
  ownsWithin(s, block, cut) || savedWithin(s, block, cut) !== 0

/** What a round writes of a block: nothing, the frame's own image, or a saved image. */
export const NOTHING = 0
export const OWN = 255

/** The first class in the write order: no other change has to be on the disk before one of this class. */
export const FIRST = 1

/**
 * The image that a round with this cut writes. Usually that is the newest one within the cut. An image of the first class that
 * has only images of this class before it depends on nothing: it stands for all of them, whatever its stamp.
 */
export function imageToWrite(m: Model, s: State, block: number, cut: number): number {
  const at = blockAt(block)
  let within = NOTHING
  let first = NOTHING
  const images = s[at + Block.class] === 0 ? [] : [OWN]
  for (let link = s[at + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!) images.push(link)
  const word = (image: number, own: number, spare: number) =>
    s[image === OWN ? at + own : spareAt(image) + spare]!
  for (const image of images) {
    if (within === NOTHING && word(image, Block.epoch, Spare.epoch) <= cut) within = image
    if (word(image, Block.class, Spare.class) !== FIRST) first = NOTHING
    else if (first === NOTHING) first = image
  }
  if (m.mistake === 'chosenByStampAlone' || first === NOTHING) return within
  const hasOlder = word(first, Block.older, Spare.older) === 1
  if (within === NOTHING) return hasOlder || m.mistake === 'everyFirstImage' ? first : NOTHING
  return images.indexOf(within) < images.indexOf(first) ? within : first
}

/** The class of that image, 0 if there is none. */
export function classToWrite(m: Model, s: State, block: number, cut: number): number {
  const image = imageToWrite(m, s, block, cut)
  if (image === NOTHING) return 0
  return image === OWN ? s[blockAt(block) + Block.class]! : s[spareAt(image) + Spare.class]!
}

/** Whether a change of the block needs no mutex: it has one unwritten image, of the first class. */
export const isAlone = (m: Model, s: State, block: number): boolean =>
  s[blockAt(block) + Block.class] === FIRST &&
  (s[blockAt(block) + Block.saved] === 0 || m.mistake === 'aloneWithSavedImages')

/** Whether a client keeps a spare that it takes: half of the spares stay for everybody. */
export function mayOwn(m: Model, s: State): boolean {
  let free = 0
  for (let spare = 1; spare <= m.spares; spare++) free += s[spareAt(spare) + Spare.free]!
  return 2 * free >= m.spares
}

/** A client's own spare that no block uses, 0 if there is none. */
export function ownSpareOf(m: Model, s: State, actor: number): number {
  for (let spare = 1; spare <= m.spares; spare++) {
    if (s[spareAt(spare) + Spare.owner] !== actor) continue
    let isUsed = false
    for (let block = 0; block < m.blocks; block++) isUsed ||= s[blockAt(block) + Block.undo] === spare
    if (!isUsed) return spare
  }
  return 0
}

/** Whether all unwritten images of a block are of the first class. */
export function isFirstOnly(s: State, block: number): boolean {
  const at = blockAt(block)
  if (s[at + Block.class] !== FIRST) return false
  for (let link = s[at + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!)
    if (s[spareAt(link) + Spare.class] !== FIRST) return false
  return true
}

/** Frees the saved images for which `drop` holds. */
export function dropSaved(s: State, block: number, drop: (spare: number) => boolean): void {
  let linkAt = blockAt(block) + Block.saved
  for (let link = s[linkAt]!; link !== 0; link = s[linkAt]!) {
    if (drop(link)) {
      s[linkAt] = s[spareAt(link) + Spare.next]!
      freeSpare(s, link)
    } else {
      linkAt = spareAt(link) + Spare.next
    }
  }
}

/** Calls `found` with the epoch of each image whose predecessor on the same block has another class. */
export function eachClassChange(m: Model, s: State, found: (epoch: number) => void): void {
  for (let block = 0; block < m.blocks; block++) {
    const at = blockAt(block)
    let epoch = s[at + Block.epoch]!
    let writeClass = s[at + Block.class]!
    for (let link = s[at + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!) {
      const older = s[spareAt(link) + Spare.class]!
      if (writeClass !== 0 && older !== writeClass) found(epoch)
      writeClass = older
      epoch = s[spareAt(link) + Spare.epoch]!
    }
  }
}

/** How many images of the block have another class than the one before them. */
export function classChangesOf(s: State, block: number): number {
  let count = 0
  let writeClass = s[blockAt(block) + Block.class]!
  for (let link = s[blockAt(block) + Block.saved]!; link !== 0; link = s[spareAt(link) + Spare.next]!) {
    if (writeClass !== 0 && s[spareAt(link) + Spare.class] !== writeClass) count++
    writeClass = s[spareAt(link) + Spare.class]!
  }
  return count
}

/** Whether a release with this class must close the epoch. */
export function closesEpoch(s: State, block: number, writeClass: number): boolean {
  const at = blockAt(block)
  const old = s[at + Block.class]!
  return old !== 0 && old !== writeClass && s[at + Block.epoch]! > s[Group.bound]!
}

export function want(s: State, epoch: number): void {
  if (epoch > s[Group.want]!) s[Group.want] = epoch
}

/**
 * Stamps the undo with the stamp of its frame if that image must be kept, and completes it if it holds a declared range.
 * With `isBack` the frame keeps its image.
 */
export function stampUndo(m: Model, s: State, block: number, writeClass: number, isBack: boolean): void {
  const at = blockAt(block)
  const spare = s[at + Block.undo]!
  if (spare === 0 || spare === INTENT) return
  const isKept = !isBack && s[at + Block.class] !== 0 && mustBeKept(m, s, block, writeClass)
  if (isKept && m.mistake !== 'declaredRangeNotCompleted') completeUndo(s, block, spare)
  s[spareAt(spare) + Spare.epoch] = isKept ? s[at + Block.epoch]! : 0
  s[spareAt(spare) + Spare.class] = isKept ? s[at + Block.class]! : 0
  s[spareAt(spare) + Spare.older] = isKept ? s[at + Block.older]! : 0
}

function mustBeKept(m: Model, s: State, block: number, writeClass: number): boolean {
  const at = blockAt(block)
  const epoch = s[at + Block.epoch]!
  // The new image stands for the old ones.
  if (writeClass === FIRST && isFirstOnly(s, block)) return false
  if (m.mistake === 'firstClassOverAnother' && writeClass === FIRST) return false
  if (m.mistake === 'savedOnlyIfUnwritten' && s[at + Block.wasWritten] === 1) return false
  if (m.mistake === 'savedOnlyForTheActiveCut') return epoch <= s[Group.cut]!
  if (m.mistake === 'oneSavedImageABlock' && s[at + Block.saved] !== 0) return false
  return epoch <= s[Group.bound]!
}

function completeUndo(s: State, block: number, spare: number): void {
  const range = s[spareAt(spare) + Spare.range]!
  if (range === WHOLE) return
  const other = 2 - range
  s[spareAt(spare) + Spare.half + other] = s[blockAt(block) + Block.half + other]!
  s[spareAt(spare) + Spare.range] = WHOLE
}

/** Whether a cut may need the image that the new one replaces, or one that it stands for: it is of an earlier epoch. */
function replacesOlder(m: Model, s: State, block: number, writeClass: number, epoch: number): boolean {
  if (writeClass !== FIRST || !isFirstOnly(s, block) || m.mistake === 'olderIsForgotten') return false
  const at = blockAt(block)
  return s[at + Block.older] === 1 || s[at + Block.epoch]! < epoch
}

/** The single store that commits a change. */
export function storeStamp(
  m: Model,
  s: State,
  block: number,
  writeClass: number,
  epoch = s[Group.epoch]!,
): void {
  const at = blockAt(block)
  s[at + Block.older] = replacesOlder(m, s, block, writeClass, epoch) ? 1 : 0
  s[at + Block.epoch] = epoch
  s[at + Block.class] = writeClass
  s[at + Block.changing] = 0
  s[at + Block.taken] = 0
  s[at + Block.absent] = 0
  s[at + Block.wasWritten] = 0
}

/** Makes a stamped undo the newest saved image. Repeated after a death, it does nothing. */
export function pushStampedUndo(s: State, block: number): void {
  const spare = s[blockAt(block) + Block.undo]!
  if (spare === 0 || spare === INTENT) return
  if (s[spareAt(spare) + Spare.class] === 0 || isSaved(s, block, spare)) return
  s[spareAt(spare) + Spare.owner] = 0
  s[spareAt(spare) + Spare.next] = s[blockAt(block) + Block.saved]!
  s[blockAt(block) + Block.saved] = spare
}

/** Removes the undo from the frame, and frees it unless it is a saved image. */
export function clearUndo(s: State, block: number): void {
  const spare = s[blockAt(block) + Block.undo]!
  s[blockAt(block) + Block.undo] = 0
  if (spare !== 0 && spare !== INTENT && s[spareAt(spare) + Spare.class] === 0) freeSpare(s, spare)
}

/** Restores one half of the frame from the undo, if the undo holds that half. */
export function applyUndo(s: State, block: number, half: number): void {
  const spare = s[blockAt(block) + Block.undo]!
  const range = s[spareAt(spare) + Spare.range]!
  if (range === WHOLE || range === 1 + half)
    s[blockAt(block) + Block.half + half] = s[spareAt(spare) + Spare.half + half]!
}

/** One effect of a section, after which the thread may die. */
export type Effect = (m: Model, s: State, block: number, writeClass: number) => void

/** Whether an epoch is being closed, passed from one effect to the next. Only one section runs at a time. */
let isClosing = false

const closeFirst = (m: Model, s: State, isNeeded: boolean): void => {
  isClosing = isNeeded
  if (!isClosing) return
  if (m.mistake === 'boundBeforeEpoch') s[Group.bound] = s[Group.epoch]!
  else s[Group.epoch]!++
}
const closeSecond = (m: Model, s: State): void => {
  if (!isClosing) return
  if (m.mistake === 'boundBeforeEpoch') s[Group.epoch]!++
  else s[Group.bound] = s[Group.epoch]! - 1
}

const disposal: readonly Effect[] = [
  (_m, s, block) => pushStampedUndo(s, block),
  (_m, s, block) => clearUndo(s, block),
]
const link: Effect = (_m, s, block) => {
  s[blockAt(block) + Block.listed] = 1
}
const stampForCommit: Effect = (m, s, block, writeClass) => stampUndo(m, s, block, writeClass, false)
const storeCommit: Effect = (m, s, block, writeClass) => {
  // A deferred release was counted when it was deferred.
  if (!isCounted(s, block)) commitVersion(m, s, block, writeClass)
  storeStamp(m, s, block, writeClass)
}

/** Commits a change. */
export const commitEffects = (m: Model): readonly Effect[] =>
  m.mistake === 'undoDisposedBeforeCommit'
    ? [stampForCommit, ...disposal, storeCommit, link]
    : [stampForCommit, storeCommit, ...disposal, link]

/** A release with a mark: if a dirty block gets another class, the epoch ends first. */
export const releaseEffects = (m: Model): readonly Effect[] => [
  (_m, s, block, writeClass) => closeFirst(m, s, closesEpoch(s, block, writeClass)),
  (_m, s) => closeSecond(m, s),
  ...commitEffects(m),
]

/** A release without a change, or of an undone change. */
export const uncommitEffects: readonly Effect[] = [
  (m, s, block) => stampUndo(m, s, block, 0, true),
  (_m, s, block) => {
    s[blockAt(block) + Block.changing] = 0
    s[blockAt(block) + Block.taken] = 0
  },
  ...disposal,
]

/** Closes one epoch for all of these releases if any of them needs it. */
export const closeEffects = (blocks: readonly number[]): readonly Effect[] => [
  (m, s) => {
    const needed = blocks.some((block) => {
      const released = s[blockAt(block) + Block.released]!
      return released !== 0 && released !== RELEASED_UNCHANGED && closesEpoch(s, block, released)
    })
    closeFirst(m, s, needed)
  },
  closeSecond,
]
