/**
 * The holes that the protocol had or might have had. Each is a variant of the model, and a scenario in which it shows.
 */
import { type Scenario, scenario } from './scenarios.js'

interface Hole {
  /** What is done otherwise. */
  readonly what: string
  readonly shownBy: Scenario
}

export const mistakes = {
  undoDisposedBeforeCommit: {
    what: 'the undo is given up before the change is committed',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  asideOnlyIfUnwritten: {
    what: 'an image is not kept, because it was written: its fsync may still fail',
    shownBy: scenario('classChange', { failedSyncs: 1, kicks: 1 }),
  },
  asideOnlyForTheActiveCut: {
    what: 'an image is kept only while a cut that needs it is active',
    shownBy: scenario('classChange', { kicks: 1 }),
  },
  failedRoundDropsAsides: {
    what: 'a failed round drops the asides along with its cut',
    shownBy: scenario('classChange', { failedSyncs: 1, kicks: 1 }),
  },
  failedRoundBoundsByLastChange: {
    what: 'after a failure the bound is before the last class change that is left, though a later epoch was closed',
    shownBy: scenario('vanishedChange', { failedSyncs: 1 }),
  },
  oneAsideABlock: {
    what: 'a block keeps one aside at most',
    shownBy: scenario('threeImages', { kicks: 1 }),
  },
  sparePoppedOutsideTheMutex: {
    what: 'a spare is off the free list before it is bound to a frame',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  undoBecauseLatched: {
    what: 'the undo is written because the frame is latched, not because it is CHANGING',
    shownBy: scenario('held', { kicks: 1 }),
  },
  plainStoreOfState: {
    what: 'CHANGING is set by a plain store, beside the round that clears the class',
    shownBy: scenario('held', { kicks: 1 }),
  },
  waitsForSpareLatched: {
    what: 'who waits for a spare keeps its latch',
    shownBy: scenario('nested', {}),
  },
  classChangeIsNotWaitedFor: {
    what: 'a change does not wait for an older image of another class, and a block collects them',
    shownBy: scenario('flip', {}),
  },
  classChangeAsksForNoRound: {
    what: 'who waits for an older image of another class asks for no round',
    shownBy: scenario('flip', {}),
  },
  waitsForSavedImagesOnly: {
    what: 'who finds no spare asks for no more than the saved images, though guards have all spares',
    shownBy: scenario('nested', {}),
  },
  undoReadOutsideTheMutex: {
    what: 'a writer reads an undo after it has given the mutex back',
    shownBy: scenario('discarded', { kicks: 1 }),
  },
  boundBeforeEpoch: {
    what: 'a class change moves the bound before the epoch',
    shownBy: scenario('classChange', { clientDeaths: 1, kicks: 1 }),
  },
  firstDeadSlotOnly: {
    what: 'the reaper takes the mutex only from the first dead slot',
    shownBy: scenario('dependency', { clientDeaths: 2 }),
  },
  stolenMutexNotRepaired: {
    what: 'a stolen mutex is given up with half-disposed frames',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  flushLeavesPending: {
    what: 'a flush does not settle the releases that came before it',
    shownBy: scenario('left', {}),
  },
  releaseLeavesPending: {
    what: 'a release does not settle those that came before it',
    shownBy: scenario('leftBefore', { kicks: 1 }),
  },
  onlyFsyncRepeated: {
    what: 'after a death of a writer only the fsync is done again',
    shownBy: scenario('dependency', { writerDeaths: 1 }),
  },
  failedSyncIgnored: {
    what: 'a failed fsync counts as done',
    shownBy: scenario('dependency', { failedSyncs: 1 }),
  },
  cutSpansClassChange: {
    what: 'a cut spans a class change of a block',
    shownBy: scenario('classChange', { kicks: 1 }),
  },
  stagesAtOnce: {
    what: 'all classes are written in one stage',
    shownBy: scenario('dependency', {}),
  },
  cleanWhateverTheStamp: {
    what: 'a block becomes clean though it was changed after the cut',
    shownBy: scenario('dependency', { kicks: 1 }),
  },
  declaredRangeNotCompleted: {
    what: 'the image of a declared range becomes an aside without the bytes around it',
    shownBy: scenario('declared', {}),
  },
  declaredRangeNotComposed: {
    what: 'a writer takes the image of a declared range for the whole block',
    shownBy: scenario('declared', { kicks: 1 }),
  },
  forgetFreesAsides: {
    what: 'forget drops an image that a writer may be reading',
    shownBy: scenario('forgotten', { kicks: 1 }),
  },
  failedFlushJudgedByStamps: {
    what: 'after a failure a flush looks for images within its epoch, and misses those that a newer one replaced',
    shownBy: scenario('dependency', { failedSyncs: 1 }),
  },
  successorKeepsLatches: {
    what: 'a new flush worker leaves latched what the one before it was settling',
    shownBy: scenario('left', { flushWorkerDeaths: 1, kicks: 1 }),
  },
  settlerTakesWithoutAnchor: {
    what: 'who settles takes the stack of releases without a note of it',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
  dirtyListNotRebuilt: {
    what: 'who steals the mutex leaves the dirty list as it was',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  settlerLeavesTheLatches: {
    what: 'who settles the releases of others does not take their latches over first',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
  releasedClearedFirst: {
    what: 'who settles a release forgets that it was one before it is committed',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
} as const satisfies Record<string, Hole>

/** What may look like a hole and is none. */
export const harmless = {
  cutLeavesPending: {
    what: 'a cut does not settle the releases that are left to others: flush and release do',
    shownBy: scenario('leftMixed', { kicks: 1 }),
  },
} as const satisfies Record<string, Hole>

export type Mistake = keyof typeof mistakes | keyof typeof harmless
