/**
 * The holes that the protocol had or might have had. Each is a variant of the model with a scenario in which it shows.
 */
import { type Scenario, scenario } from './scenarios.js'

interface Hole {
  /** What the variant does differently. */
  readonly what: string
  readonly shownBy: Scenario
}

export const mistakes = {
  undoDisposedBeforeCommit: {
    what: 'the undo is freed before the change is committed',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  chosenByStampAlone: {
    what: 'a round judges by stamps alone what it writes of a block, although images of the first class are not saved',
    shownBy: scenario('dependency', { kicks: 1 }),
  },
  olderIsForgotten: {
    what: 'an image of the first class does not note that it stands for an older one',
    shownBy: scenario('besideClassChange', { kicks: 1 }),
  },
  olderEndsWithAnyRound: {
    what: 'after a round an image no longer stands for older ones, although a later epoch is closed too',
    shownBy: scenario('twoClassChanges', { kicks: 1 }),
  },
  trimKeepsWhatIsWritten: {
    what: 'a cut frees the image within it, because a newer one of the first class is written in its place',
    shownBy: scenario('hotBesideClassChange', {}),
  },
  firstClassOverAnother: {
    what: 'an image of another class is not saved because the new one is of the first class',
    shownBy: scenario('toFirstClass', { kicks: 1 }),
  },
  epochBeforeLatch: {
    what: 'a release without the mutex stamps with an epoch that was read before the latch was taken',
    shownBy: scenario('hot', { kicks: 1 }),
  },
  undoCopiedWithoutTaken: {
    what: 'a writer copies an undo without the bit that sends the release to the mutex',
    shownBy: scenario('hot', { kicks: 1 }),
  },
  takenIsOverlooked: {
    what: 'a discard or a release without a change gives its undo back while a writer copies it',
    shownBy: scenario('hotDiscarded', { kicks: 1 }),
  },
  classClearedByPlainStore: {
    what: 'a block becomes clean by a load and a store, and a release without the mutex comes in between',
    shownBy: scenario('hot', { kicks: 1 }),
  },
  aloneWithSavedImages: {
    what: 'a release without the mutex replaces an image that has older ones of another class',
    shownBy: scenario('writtenOverAnother', {}),
  },
  aloneWithAnyClass: {
    what: 'a release without the mutex changes the class',
    shownBy: scenario('classChange', { kicks: 1 }),
  },
  intentAfterCopy: {
    what: 'a write notes that it can be rolled forward after the copy',
    shownBy: scenario('written', { clientDeaths: 1 }),
  },
  boundNotRepaired: {
    what: 'a thread that dies between the end of an epoch and the bound leaves the bound behind',
    shownBy: scenario('endedEpoch', { clientDeaths: 1 }),
  },
  repairTakesOwnSpares: {
    what: 'a thread that repairs the free list takes spares that living threads keep',
    shownBy: scenario('hot', { clientDeaths: 1 }),
  },
  savedOnlyIfUnwritten: {
    what: 'an image is not saved because it was written, but its fsync may still fail',
    shownBy: scenario('classChange', { failedSyncs: 1, kicks: 1 }),
  },
  savedOnlyForTheActiveCut: {
    what: 'an image is saved only while a cut that needs it is active',
    shownBy: scenario('classChange', { kicks: 1 }),
  },
  failedRoundDropsSaved: {
    what: 'a failed round drops the saved images together with its cut',
    shownBy: scenario('classChange', { failedSyncs: 1, kicks: 1 }),
  },
  failedRoundBoundsByLastChange: {
    what: 'after a failure the bound is before the last remaining class change, although a later epoch was closed',
    shownBy: scenario('vanishedChange', { failedSyncs: 1 }),
  },
  oneSavedImageABlock: {
    what: 'a block keeps at most one saved image',
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
    what: 'CHANGING is set by a plain store, concurrently with the round that clears the class',
    shownBy: scenario('held', { kicks: 1 }),
  },
  waitsForSpareLatched: {
    what: 'a thread that waits for a spare keeps its latch',
    shownBy: scenario('nested', {}),
  },
  classChangeIsNotWaitedFor: {
    what: 'a change does not wait for an older image of another class, and a block collects them',
    shownBy: scenario('flip', {}),
  },
  classChangeAsksForNoRound: {
    what: 'a thread that waits for an older image of another class requests no round',
    shownBy: scenario('flip', {}),
  },
  waitsForSavedImagesOnly: {
    what: 'a thread that finds no spare requests only the rounds of saved images, although guards hold all spares',
    shownBy: scenario('nested', {}),
  },
  undoReadOutsideTheMutex: {
    what: 'a writer reads an undo after it has unlocked the mutex',
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
    what: 'a stolen mutex is unlocked before half-disposed frames are repaired',
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
    what: 'after the death of a writer only the fsync is repeated',
    shownBy: scenario('dependency', { writerDeaths: 1 }),
  },
  failedSyncIgnored: {
    what: 'a failed fsync counts as successful',
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
    what: 'a block becomes clean although it was changed after the cut',
    shownBy: scenario('dependency', { kicks: 1 }),
  },
  declaredRangeNotCompleted: {
    what: 'the image of a declared range is saved without the bytes around it',
    shownBy: scenario('declared', {}),
  },
  declaredRangeNotComposed: {
    what: 'a writer takes the image of a declared range for the whole block',
    shownBy: scenario('declared', { kicks: 1 }),
  },
  forgetFreesSaved: {
    what: 'forget drops an image that a writer may be reading',
    shownBy: scenario('forgottenClassChange', { kicks: 1 }),
  },
  forgetFreesImageToWrite: {
    what: 'forget drops a saved image that is newer than the cut, and a writer writes it in place of an older one',
    shownBy: scenario('forgottenClassChange', { kicks: 1 }),
  },
  failedFlushJudgedByStamps: {
    what: 'after a failure a flush checks only images within its epoch, and misses those that a newer image replaced',
    shownBy: scenario('dependency', { failedSyncs: 1 }),
  },
  successorKeepsLatches: {
    what: 'a new flush worker leaves the frames latched that its predecessor was settling',
    shownBy: scenario('left', { flushWorkerDeaths: 1, kicks: 1 }),
  },
  settlerTakesWithoutAnchor: {
    what: 'a settling thread takes the stack of releases without anchoring it',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
  dirtyListNotRebuilt: {
    what: 'a thread that steals the mutex does not repair the dirty list',
    shownBy: scenario('dependency', { clientDeaths: 1 }),
  },
  settlerLeavesTheLatches: {
    what: 'a settling thread does not take over the latches of the releases first',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
  releasedClearedFirst: {
    what: 'a settling thread clears the mark of a release before it commits it',
    shownBy: scenario('left', { clientDeaths: 1 }),
  },
} as const satisfies Record<string, Hole>

/** Variants that look like holes and are harmless. */
export const harmless = {
  everyFirstImage: {
    what: 'a round writes every image of the first class, also those that stand for no older one',
    shownBy: scenario('besideClassChange', { kicks: 1 }),
  },
  cutLeavesPending: {
    what: 'a cut does not settle the deferred releases, because flush and release do',
    shownBy: scenario('leftMixed', { kicks: 1 }),
  },
} as const satisfies Record<string, Hole>

export type Mistake = keyof typeof mistakes | keyof typeof harmless
