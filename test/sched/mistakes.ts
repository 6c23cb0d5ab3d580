// Mistakes that the explorer must find: each is a change of the compiled code, with the body that shows it and the bounds
// within which it does.

import type { Mode } from './weak.js'

export interface Edit {
  readonly file: string
  /** Must occur exactly once. */
  readonly from: string
  readonly to: string
}

export interface Mistake {
  readonly what: string
  readonly body: string
  readonly preemptions: number
  readonly detours?: number
  readonly deaths?: number
  /** Whether threads must be able to die at plain stores. */
  readonly needsStores?: boolean
  /** The other changes of the code, see variants.ts. */
  readonly variant?: string
  /** The mode of the weak memory that shows it, with this many stale loads and not with none. */
  readonly weak?: Mode
  readonly stales?: number
  readonly edits: readonly Edit[]
}

const NO_POLICY_LOCK: readonly Edit[] = [
  {
    file: 'core/blocks/miss-path.js',
    from: 'if (!policyMutex.tryLock(slot.index)) return -1;\n    const frame = chooseFrame(context, keyHigh, keyLow, purpose);\n    policyMutex.unlock();',
    to: 'const frame = chooseFrame(context, keyHigh, keyLow, purpose);',
  },
]

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  'mutex-no-notify': {
    what: 'unlock does not wake the waiters: a lost wakeup',
    body: 'mutex.two',
    preemptions: 1,
    edits: [
      {
        file: 'shared/mutex.js',
        from: 'if ((exchange(this.words, this.at, 0) & CONTENDED) !== 0) notify(this.words, this.at);',
        to: 'exchange(this.words, this.at, 0);',
      },
    ],
  },
  'mutex-lock-by-load': {
    what: 'the mutex is locked by a load and a store',
    body: 'mutex.two',
    preemptions: 2,
    edits: [
      {
        file: 'shared/mutex.js',
        from: 'if (loadInOrder(this.words, this.at) === 0 && compareExchange(this.words, this.at, 0, slot + 1) === 0) {',
        to: 'if (load(this.words, this.at) === 0 && (exchange(this.words, this.at, slot + 1), true)) {',
      },
    ],
  },
  'condition-looks-first': {
    what: 'a wait checks its condition before it sets the flag: a signal in between is lost',
    body: 'primitives.condition',
    preemptions: 1,
    edits: [
      {
        file: 'shared/condition.js',
        from: 'const epoch = this.enter();\n      const value = ready();',
        to: 'const value = ready();\n      const epoch = this.enter();',
      },
    ],
  },
  'no-identity': {
    what: 'the name is not rechecked after the pin',
    body: 'cache.evict',
    preemptions: 1,
    edits: [
      {
        file: 'core/blocks/hit.js',
        from: 'if (hasKey(context, at, keyHigh, keyLow) && (context.words[at + 1 /* state */] & 1 /* ABSENT */) === 0)\n    return true;',
        to: 'return true;',
      },
      {
        file: 'core/client/hit-path.js',
        from: '          unpin(frame, entry);\n          return void 0;\n',
        to: '',
      },
    ],
  },
  'own-latch-first': {
    what: 'the latch is read before the pending release that may be ending: a wait for oneself that is none',
    body: 'cache.pendingOwn',
    preemptions: 2,
    detours: 0,
    edits: [
      {
        file: 'core/blocks/stall.js',
        from: 'const isPending = load(words, at + 10 /* released */) !== 0;\n  const word = load(words, at + 0 /* latch */);',
        to: 'const word = load(words, at + 0 /* latch */);\n  const isPending = load(words, at + 10 /* released */) !== 0;',
      },
    ],
  },
  'copy-no-version': {
    what: 'a copy does not notice a writer that came and went in the meantime',
    body: 'cache.copyChange',
    preemptions: 2,
    edits: [
      {
        file: 'core/blocks/copy.js',
        from: 'if (load(words, at + 5 /* version */) !== version) return -1;',
        to: '',
      },
    ],
  },
  'copy-no-latch': {
    what: 'a copy does not notice an exclusive latch',
    body: 'cache.copyChange',
    preemptions: 2,
    edits: [
      {
        file: 'core/blocks/copy.js',
        from: 'if ((load(words, at + 0 /* latch */) & (16711680 /* WRITER */ | 16777216 /* FROZEN */)) !== 0) return -1;',
        to: '',
      },
    ],
  },
  'no-second-look': {
    what: 'a block is inserted into its chain without a recheck',
    body: 'cache.insert',
    preemptions: 1,
    edits: [
      {
        file: 'core/blocks/frames.js',
        from: 'const isFirst = findUnderStripe(context, bucket, keyHigh, keyLow) < 0;',
        to: 'const isFirst = true;',
      },
      {
        file: 'core/blocks/miss-path.js',
        from: 'for (link = first; link !== 0; ) {',
        to: 'for (link = 0; link !== 0; ) {',
      },
    ],
  },
  'free-list-race': {
    what: 'a frame is taken without the policy mutex',
    body: 'cache.free',
    preemptions: 1,
    edits: NO_POLICY_LOCK,
  },
  'pending-not-looked-after': {
    what: 'the unlock of a round mutex does not recheck for releases left in the meantime',
    body: 'cache.pending',
    preemptions: 1,
    edits: [
      {
        file: 'core/changes/rounds.js',
        from: 'if (load(context.words, at + 19 /* pending */) === 0 && load(context.words, at + 8 /* kicked */) === 0) return;',
        to: 'if (at > 0) return;',
      },
    ],
  },
  'commit-one-by-one': {
    what: 'the blocks of a commit are pushed one by one',
    body: 'commit.one',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/changes/pending.js',
        from: '    words[at + 11 /* pendingNext */] = next;\n    next = frame + 1;\n  }\n  pushChain(context, group, next - 1, releases[0].frame);',
        to: '    pushChain(context, group, frame, frame);\n  }',
      },
    ],
  },
  'released-is-the-commit': {
    what: 'the reaper finishes what says what its release does, although it is not on the stack',
    body: 'commit.one',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: '  if ((load(words, at + 1 /* state */) & 2 /* CHANGING */) === 0) {',
        to: '  if (words[at + 10 /* released */] > 0) {\n    commit(context, partition.group, frame, words[at + 10 /* released */]);\n  } else if ((load(words, at + 1 /* state */) & 2 /* CHANGING */) === 0) {',
      },
    ],
  },
  'reaps-before-settling': {
    what: 'the reaper undoes what is on the stack, because it does not settle first',
    body: 'commit.one',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: '  seizeRound(context, partition.group);\n  if (!dead',
        to: '  seize(context, context.roundMutexes[partition.group], () => repairRound(context, partition.group));\n  if (!dead',
      },
    ],
  },
  'dead-found-after-settling': {
    what: 'the reaper undoes the pushed changes of a thread that it finds dead after it has settled',
    body: 'commit.reaper',
    preemptions: 2,
    detours: 0,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: 'if (!dead.includes(writerOf(load(words, at + 0 /* latch */)))) {',
        to: 'if (!isDead(context, writerOf(load(words, at + 0 /* latch */)))) {',
      },
    ],
  },
  'stale-released': {
    what: 'the reaper leaves in the frame what a dead thread had noted of its release',
    body: 'commit.one',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: '  store(words, at + 10 /* released */, 0);\n',
        to: '',
      },
    ],
  },
  'serving-forgotten': {
    what: 'a new flush worker releases latches before it heals what its predecessor was serving: a lost wakeup',
    body: 'commit.two',
    preemptions: 0,
    detours: 0,
    deaths: 2,
    needsStores: true,
    edits: [
      { file: 'core/recovery/reaper.js', from: '  healServed(context, index);\n', to: '' },
      {
        file: 'core/recovery/reaper.js',
        from: '      leave(context, frame);\n  }\n}',
        to: '      leave(context, frame);\n  }\n  healServed(context, index);\n}',
      },
    ],
  },
  'clean-beyond-cut': {
    what: 'the round makes a frame clean that was changed after its cut',
    body: 'cache.roundFlushes',
    preemptions: 1,
    detours: 1,
    edits: [
      {
        file: 'core/write-back/clean.js',
        from: '(state & 28 /* CLASS_MASK */) === 0 || isUnwritten(state, cut)',
        to: 'true',
      },
    ],
  },
  'cleaned-by-plain-store': {
    what: 'a block becomes clean by a load and a store, and a release without the mutex in between is lost',
    body: 'cache.ledWrite',
    preemptions: 2,
    detours: 0,
    edits: [
      {
        file: 'core/write-back/clean.js',
        from: 'if (next !== state && compareExchange(words, stateAt, state, next) !== state) continue;',
        to: 'compareExchange(words, stateAt, words[stateAt], next);',
      },
    ],
  },
  'epoch-before-latch': {
    what: 'a release without the mutex stamps with an epoch that was read before the latch was taken',
    body: 'cache.roundWrite',
    preemptions: 2,
    detours: 0,
    edits: [
      {
        file: 'core/blocks/write-now.js',
        from: '  const frame = latchNamed(context, keyHigh, keyLow);',
        to: '  context.early = Atomics.load(context.words, context.arena.groupAt(group) + 1 /* epoch */);\n  const frame = latchNamed(context, keyHigh, keyLow);',
      },
      {
        file: 'core/changes/alone.js',
        from: 'const epoch = load(words, arena.groupAt(group) + 1 /* epoch */);',
        to: 'const epoch = context.early ?? load(words, arena.groupAt(group) + 1 /* epoch */);',
      },
    ],
  },
  'intent-after-copy': {
    what: 'a write without an undo image notes that it can be rolled forward after the copy',
    body: 'cache.rewriteCopy',
    preemptions: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/blocks/write-now.js',
        from: '  if (!isClean) intend(context, frame);\n',
        to: '',
      },
      {
        file: 'core/blocks/write-now.js',
        from: '  releaseChanged(context, group, frame, writeClass, maySleep);',
        to: '  if (!isClean) intend(context, frame);\n  releaseChanged(context, group, frame, writeClass, maySleep);',
      },
    ],
  },
  'leader-not-reaped': {
    what: 'the reaper does not drop the round of a dead leader',
    body: 'cache.ledFollow',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    edits: [{ file: 'core/recovery/reaper.js', from: 'reapLeads(context, slot);', to: '' }],
  },
  'leader-not-seen': {
    what: 'the flush worker begins a round while a thread leads one',
    body: 'cache.ledBoth',
    preemptions: 1,
    detours: 1,
    edits: [
      {
        file: 'core/write-back/flusher.js',
        from: 'if (this.#leader(group) !== 0 /* NONE */) return true;',
        to: 'return this.#leader(group) < 0;',
      },
      {
        file: 'core/write-back/cut.js',
        from: 'if (words[at + 29 /* leader */] !== 0 /* NONE */ || words[at + 34 /* partial */] !== 0 /* NONE */) {',
        to: 'if (words[at + 29 /* leader */] < 0) {',
      },
    ],
  },
  'leader-beside-a-round': {
    what: 'a thread leads a round while the flush worker runs one',
    body: 'cache.ledBoth',
    preemptions: 1,
    detours: 1,
    edits: [
      {
        file: 'core/write-back/leader.js',
        from: 'if (words[at + 2 /* cut */] !== 0 || words[at + 12 /* dirty */] > BLOCKS_MAX) return "ask";',
        to: '',
      },
      {
        file: 'core/write-back/leader.js',
        from: 'if (context.rounds[group].isWanted) return "ask";',
        to: '',
      },
    ],
  },
  'uncounted-when-evicted': {
    what: 'a block that becomes clean leaves the dirty list before its partition is looked up, and is evicted in between',
    body: 'cache.roundEmpty',
    preemptions: 1,
    detours: 3,
    edits: [
      {
        file: 'core/changes/dirty-lists.js',
        from: 'const partitionAt = arena.partitionAt(partitionOf(words, arena.frameAt(frame)));\n  remove(context, group, frame);',
        // The load is a point, at which another thread may run.
        to: 'remove(context, group, frame);\n  load(words, arena.groupAt(group));',
      },
      {
        file: 'core/changes/dirty-lists.js',
        from: 'words[partitionAt + 18 /* dirty */]--;',
        to: 'words[arena.partitionAt(partitionOf(words, arena.frameAt(frame))) + 18 /* dirty */]--;',
      },
    ],
  },
  'partial-not-seen': {
    what: 'the flush worker begins a round while a thread leads a partial one: both write a block, and the older image may be later',
    body: 'cache.partialStage',
    preemptions: 1,
    detours: 0,
    edits: [
      {
        file: 'core/write-back/flusher.js',
        from: 'return this.#partial(group) !== 0 /* NONE */ && !hasJournal(this.#context, group);',
        to: 'return false;',
      },
      {
        file: 'core/write-back/cut.js',
        from: 'if (words[at + 29 /* leader */] !== 0 /* NONE */ || words[at + 34 /* partial */] !== 0 /* NONE */) {',
        to: 'if (words[at + 29 /* leader */] !== 0) {',
      },
    ],
  },
  'partial-in-its-own-stage': {
    what: 'a partial round begins while the round under way writes the same class',
    body: 'cache.partialRound',
    preemptions: 1,
    detours: 0,
    edits: [
      {
        file: 'core/write-back/partial.js',
        from: 'load(words, at + 33 /* stage */) > through',
        to: 'through > 0',
      },
      { file: 'core/write-back/partial.js', from: 'jobs.some(isInRound)', to: 'false' },
    ],
  },
  'partial-rings-not': {
    what: 'a thread that led a partial round does not ring the flush worker, which was asked for one in the meantime',
    body: 'cache.partialLedAsked',
    preemptions: 1,
    detours: 0,
    edits: [
      {
        file: 'core/write-back/leader.js',
        from: 'if (isLeft || isAwaited || wantedThrough(context, group) > 0) ringBell(context);',
        to: 'if (isLeft || isAwaited) ringBell(context);',
      },
    ],
  },
  'leader-rings-not': {
    what: 'a leader does not ring the flush worker, which could not begin a round in the meantime: a lost wakeup',
    body: 'cache.ledBoth',
    preemptions: 1,
    detours: 1,
    edits: [
      {
        file: 'core/write-back/leader.js',
        from: 'if (isLeft || isAwaited || wantedThrough(context, group) > 0) ringBell(context);',
        to: 'if (isLeft) ringBell(context);',
      },
    ],
  },
  'leader-tells-not': {
    what: 'a leader does not signal its end to the threads that follow: a lost wakeup',
    body: 'cache.ledFollow',
    preemptions: 1,
    detours: 1,
    edits: [{ file: 'core/write-back/leader.js', from: 'context.rounds[group].signal();', to: '' }],
  },
  'condition-flag-first': {
    what: 'a wait sets the flag before it reads the epoch: a signal in between clears it',
    body: 'primitives.conditionTwo',
    preemptions: 2,
    edits: [
      {
        file: 'shared/condition.js',
        from: 'const epoch = load(this.words, this.#epochAt);\n    store(this.words, this.#waitersAt, 1);\n    return epoch;',
        to: 'store(this.words, this.#waitersAt, 1);\n    return load(this.words, this.#epochAt);',
      },
    ],
  },
  'journal-late': {
    what: 'a pin is journaled after it is taken: a death in between leaves the pin for ever',
    body: 'cache.latch',
    preemptions: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/blocks/hit.js',
        from: 'words[entry] = frame << 2 | 1 /* TAKING */;',
        to: '',
      },
      {
        file: 'core/client/hit-path.js',
        from: 'words[entry] = frame << 2 | 1 /* TAKING */;',
        to: '',
      },
    ],
  },
  'reap-forgets-early': {
    what: 'the reaper clears a journal entry before the pins are counted out, and dies in between',
    body: 'cache.latch',
    preemptions: 0,
    deaths: 2,
    needsStores: true,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: 'if (countOut(context, entry >>> 2, patience)) words[at] = 0 /* FREE */;\n    else isDone = false;',
        to: 'words[at] = 0 /* FREE */;\n    countOut(context, entry >>> 2, patience);',
      },
    ],
  },
  'undo-keeps-contents': {
    what: 'a clean block that a dead thread was changing keeps its contents',
    body: 'cache.undoReaper',
    preemptions: 0,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: 'store(words, at + 1 /* state */, 1 /* ABSENT */);',
        to: 'store(words, at + 1 /* state */, 0);',
      },
    ],
  },
  'thaw-by-store': {
    what: 'the reaper overwrites a concurrent release with the pins that it counted',
    body: 'cache.releaseReaper',
    preemptions: 1,
    edits: [
      {
        file: 'shared/latch.js',
        from: 'return compareExchange(words, at, word, word & ~(65535 /* PINS */ | 16777216 /* FROZEN */) | pins) === word;',
        to: 'compareExchange(words, at, words[at], word & ~(65535 /* PINS */ | 16777216 /* FROZEN */) | pins);\n  return true;',
      },
    ],
  },
  'thaw-no-wake': {
    what: 'a thread that waits to change a block is not woken when the pins of a dead reader are counted out',
    body: 'cache.changeReaper',
    preemptions: 1,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: '      wakeAndHeal(context, frame);\n      return pins',
        to: '      return pins',
      },
    ],
  },
  'downgrade-no-wake': {
    what: 'an exclusive latch becomes a pin without waking the readers',
    body: 'latch.load',
    preemptions: 1,
    edits: [{ file: 'shared/latch-server.js', from: '      this.#wake(readers);\n', to: '' }],
  },
  'wait-published-late': {
    what: 'a wait is published only after its mark was set',
    body: 'latch.writers',
    preemptions: 2,
    edits: [
      {
        file: 'shared/latch-queue.js',
        from: 'const recordAt = this.#waits.recordAt(call);\n    if',
        to: 'const recordAt = this.#waits.recordAt(call);\n    const lateAt = this.table.slotAt(this.slot) + 4 /* waitsEnd */;\n    store(words, lateAt, 0);\n    if',
      },
      {
        file: 'shared/latch-queue.js',
        from: 'if (isWriter) hasMarkedWriter = true;',
        to: 'if (isWriter) hasMarkedWriter = true;\n        store(words, lateAt, 1);',
      },
    ],
  },
  'marks-cleared-late': {
    what: 'the marks are cleared after the scan: one set in between is lost',
    body: 'latch.threeWriters',
    preemptions: 2,
    edits: [
      {
        file: 'shared/latch-server.js',
        from: 'clearMarks(this.words, at);\n    const scan = this.scan(frame);',
        to: 'const scan = this.scan(frame);\n    clearMarks(this.words, at);',
      },
    ],
  },
  'scan-used-though-marked': {
    what: 'the latch is passed on by a scan that is older than a mark',
    body: 'latch.threeWriters',
    preemptions: 2,
    edits: [
      {
        file: 'shared/latch-server.js',
        from: 'while ((word & 100663296 /* MARKS */) === 0) {\n      const seen = compareExchange(words, at, word, word & 16777216 /* FROZEN */ | next);',
        to: 'for (; ; ) {\n      const seen = compareExchange(words, at, word, word & 16777216 /* FROZEN */ | next);',
      },
    ],
  },
  'no-look-after-offer': {
    what: 'the latch is offered to a waiter that gives up, and the offering thread does not recheck',
    body: 'latch.quitFirst',
    preemptions: 3,
    variant: 'offers',
    edits: [
      {
        file: 'shared/latch-server.js',
        from: 'if (chosen.some((wait) => isPublished(this.table, wait))) {',
        to: 'if (chosen.length > 0) {',
      },
    ],
  },
  'any-wait-backs-an-offer': {
    what: 'a wait of the same thread for another block counts as the wait behind an offer',
    body: 'latch.elsewhere',
    preemptions: 3,
    detours: 1,
    variant: 'offers',
    edits: [
      {
        file: 'shared/waits.js',
        from: 'return now?.kind === kind && now.at === at;',
        to: 'return now !== void 0;',
      },
    ],
  },
  'no-look-when-giving-up': {
    what: 'a waiter that gives up does not check whether the latch was offered to it',
    body: 'latch.quitAmong',
    preemptions: 2,
    variant: 'offers',
    edits: [
      {
        file: 'shared/latch-queue.js',
        from: 'if (isMine || isFree(word) && (word & 100663296 /* MARKS */) !== 0) {',
        to: 'if (isMine && at < 0) {',
      },
    ],
  },
  'mark-outlives-wait': {
    what: 'the mark of a writer that gives up blocks readers',
    body: 'latch.joined',
    preemptions: 1,
    edits: [{ file: 'shared/latch-queue.js', from: '        step = "heal";\n', to: '' }],
  },
  'gives-up-unnamed': {
    what: 'a waiter withdraws its wait before its slot names the frame, and dies before it checks',
    body: 'latch.quitNext',
    preemptions: 1,
    detours: 0,
    deaths: 1,
    edits: [
      {
        file: 'shared/latch-queue.js',
        from: 'store(words, this.servesAt, frame + 1);\n    this.#waits.withdraw(call);\n    let step = "done";',
        to: 'this.#waits.withdraw(call);\n    let step = "done";',
      },
    ],
  },
  'reaper-frees-first': {
    what: 'the reaper frees a slot before it serves what that slot waited for, and dies in between',
    body: 'latch.held',
    preemptions: 0,
    detours: 0,
    deaths: 2,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: '    reapWaits(context, slot);\n',
        to: '',
      },
      {
        file: 'core/recovery/reaper.js',
        from: '    freeSlot(context, slot);\n',
        to: '    freeSlot(context, slot);\n    reapWaits(context, slot);\n',
      },
    ],
  },
  'undo-before-commit': {
    what: 'the undo image is freed before the change is committed: a death in between loses it',
    body: 'cache.reclass',
    preemptions: 0,
    deaths: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/changes/images.js',
        from: '  store(words, at + 1 /* state */, stampOf(epoch, writeClass) | older);\n  disposeUndo(context, group, frame);',
        to: '  disposeUndo(context, group, frame);\n  store(words, at + 1 /* state */, stampOf(epoch, writeClass) | older);',
      },
    ],
  },
  'readmission-dies': {
    what: 'blocks that a dead flush worker made clean and had not readmitted are never victims again',
    body: 'cache.roundEvict',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    edits: [
      {
        file: 'core/recovery/reaper.js',
        from: 'leader = 0 /* NONE */) {\n  seizePolicy(context);\n  readmitStray(context);\n',
        to: 'leader = 0 /* NONE */) {\n  seizePolicy(context);\n',
      },
    ],
  },
  'settling-not-anchored': {
    what: 'releases taken off the stack are known only to their settler, which dies',
    body: 'cache.pending',
    preemptions: 1,
    detours: 1,
    deaths: 1,
    needsStores: true,
    edits: [{ file: 'core/changes/pending.js', from: '    words[at + 20 /* settling */] = head;\n', to: '' }],
  },
  'steal-gives-up': {
    what: 'the mutex of a dead thread is not stolen if a thread marks it as contended at that moment',
    body: 'cache.borrowBack',
    preemptions: 1,
    detours: 0,
    deaths: 1,
    edits: [
      {
        file: 'shared/mutex.js',
        from: 'if (compareExchange(this.words, this.at, word, slot + 1 | CONTENDED) === word) break;',
        to: 'if (compareExchange(this.words, this.at, word, slot + 1 | CONTENDED) === word) break;\n      return false;',
      },
    ],
  },
  'lent-is-free': {
    what: 'the repair of the policy puts a lent frame on the free list',
    body: 'cache.borrowRound',
    preemptions: 1,
    detours: 0,
    deaths: 1,
    edits: [
      { file: 'core/recovery/repair.js', from: '    if (loanOf(context, frame) >= 0) continue;\n', to: '' },
    ],
  },
  'loans-not-repaired': {
    what: 'a thread dies while it lends a frame, and the loan is in no list',
    body: 'cache.borrow',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    edits: [{ file: 'core/recovery/repair.js', from: '  repairLoans(context, group, used);\n', to: '' }],
  },
  'lent-before-named': {
    what: 'a frame is lent that the policy does not have, and its thread dies before: no thread finds the frame again',
    body: 'cache.borrow',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    edits: [
      {
        file: 'core/blocks/find-frame.js',
        from: '() => chooseForImages(context, request.keyHigh, request.keyLow)',
        to: '() => {\n    const frame = chooseForImages(context, request.keyHigh, request.keyLow);\n    if (frame >= 0) context.policy.remove(frame);\n    return frame;\n  }',
      },
    ],
  },
  'adaptive-held-victim': {
    what: 'the search of policy adaptive returns a frame of NEW that another thread holds',
    body: 'cache.evict',
    preemptions: 1,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/search.js',
        from: 'if (fit === Fit.HELD) {\n      this.#uses.limit(frame, OLD);\n      this.#parts.turnNew();\n      return false;\n    }',
        to: '',
      },
      {
        file: 'core/policy/search.js',
        from: 'this.#parts.remove(frame);\n    return fit === Fit.CLEAN;',
        to: 'this.#parts.remove(frame);\n    return fit !== Fit.DIRTY;',
      },
    ],
  },
  'adaptive-held-worst': {
    what: 'the worst of MAIN is the victim although another thread has pinned it since the sample',
    body: 'cache.evictMain',
    preemptions: 2,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/sample.js',
        from: 'return fit === Fit.CLEAN ? frame : -1;',
        to: 'return fit === Fit.DIRTY ? -1 : frame;',
      },
    ],
  },
  'adaptive-held-not-turned': {
    what: 'a held frame stays the oldest of NEW, and each search meets it again and no other one',
    body: 'cache.evictHeld',
    preemptions: 0,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/search.js',
        from: 'if (fit === Fit.HELD) {\n      this.#uses.limit(frame, OLD);\n      this.#parts.turnNew();',
        to: 'if (fit === Fit.HELD) {',
      },
    ],
  },
  'adaptive-dirty-stays': {
    what: 'a dirty frame stays the oldest of NEW, and each search meets it again and no other one',
    body: 'cache.evictDirty',
    preemptions: 0,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/search.js',
        from: 'this.#parts.remove(frame);\n    return fit === Fit.CLEAN;',
        to: 'if (fit === Fit.CLEAN) this.#parts.remove(frame);\n    return fit === Fit.CLEAN;',
      },
    ],
  },
  'adaptive-dirty-linked': {
    what: 'a dirty frame that left NEW keeps its link',
    body: 'cache.evictDirty',
    preemptions: 0,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/loop.js',
        from: 'this.#words[newerAt] = 0;',
        to: '',
      },
    ],
  },
  'adaptive-main-counted-first': {
    what: 'a frame enters MAIN by its count first, and the repair after a death in between keeps the count',
    body: 'cache.evictMain',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/parts.js',
        from: '74 /* mainSize */, 75',
        to: '75',
      },
    ],
  },
  'adaptive-new-not-counted-again': {
    what: 'the size of NEW is not counted again after a death in the middle of a change of it',
    body: 'cache.evict',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    variant: 'adaptive',
    edits: [{ file: 'core/policy/parts.js', from: '66 /* newSize */, 74', to: '74' }],
  },
  'adaptive-repair-loses-main': {
    what: 'the repair readmits the frames of NEW only',
    body: 'cache.evictMain',
    preemptions: 0,
    detours: 0,
    deaths: 1,
    needsStores: true,
    variant: 'adaptive',
    edits: [
      {
        file: 'core/policy/parts.js',
        from: 'if (this.isOfMain(frame)) {\n      this.addToMain(frame);\n      return;',
        to: 'if (this.isOfMain(frame)) {\n      return;',
      },
    ],
  },
  'searches-before-epoch': {
    what: 'a thread that waits for a frame reads the epoch after its searches: a frame that becomes free in between wakes no thread',
    body: 'cache.frames',
    preemptions: 2,
    edits: [
      {
        file: 'core/blocks/frames.js',
        from: 'const epoch = isWaiting ? freed.enter() : 0;\n      const frame = yield* findFrame(context, request);',
        to: 'const frame = yield* findFrame(context, request);\n      const epoch = isWaiting ? freed.enter() : 0;',
      },
    ],
  },
  'weak-mutex-unlock': {
    what: 'the mutex is released by a plain load and a plain store',
    body: 'mutex.two',
    preemptions: 1,
    weak: 'arm',
    stales: 1,
    edits: [
      {
        file: 'shared/mutex.js',
        from: 'if ((exchange(this.words, this.at, 0) & CONTENDED) !== 0) notify(this.words, this.at);',
        to: 'const word = this.words[this.at];\n    this.words[this.at] = 0;\n    if ((word & CONTENDED) !== 0) notify(this.words, this.at);',
      },
    ],
  },
  'weak-waiters': {
    what: 'the flag of the waiters is read by a plain load',
    body: 'primitives.condition',
    preemptions: 1,
    weak: 'llsc',
    stales: 1,
    edits: [
      {
        file: 'shared/condition.js',
        from: 'if (loadInOrder(this.words, this.#waitersAt) !== 0) this.broadcast();',
        to: 'if (this.words[this.#waitersAt] !== 0) this.broadcast();',
      },
    ],
  },
  'weak-copy-version': {
    what: 'a copy reads the version before the latch by a plain load',
    body: 'cache.copyChange',
    preemptions: 1,
    weak: 'arm',
    stales: 2,
    edits: [
      {
        file: 'core/blocks/copy.js',
        from: 'const version = loadInOrder(words, at + 5 /* version */);',
        to: 'const version = words[at + 5 /* version */];',
      },
    ],
  },
  'weak-copy-fence': {
    what: 'the bytes of a copy may be taken after its second look at the latch and the version',
    body: 'cache.copyChange',
    preemptions: 1,
    weak: 'arm',
    stales: 2,
    edits: [
      {
        file: 'core/blocks/copy.js',
        from: 'fenceLoads(words, context.slot.at + 10 /* fence */);',
        to: '',
      },
    ],
  },
  'weak-enter': {
    what: 'a change may be visible before the latch that it is made under',
    body: 'cache.copyChange',
    preemptions: 1,
    weak: 'llsc',
    stales: 2,
    edits: [
      {
        file: 'core/context.js',
        from: 'fenceStores(words, frameAt + 0 /* latch */);',
        to: '',
      },
    ],
  },
  'weak-close': {
    what: 'the owner counts guards by plain loads after it has announced that it closes',
    body: 'cache.close',
    preemptions: 2,
    weak: 'llsc',
    stales: 1,
    edits: [
      {
        file: 'shared/slot.js',
        from: 'return load(arena.words, at + 0 /* state */) === 1 /* LIVE */ ? load(arena.words, at + 2 /* guards */) : 0;',
        to: 'return arena.words[at + 0 /* state */] === 1 ? arena.words[at + 2 /* guards */] : 0;',
      },
    ],
  },
  'job-before-result': {
    what: 'a writer gets a job before the result of its last one was read: a failed fsync is taken for a success',
    body: 'cache.roundShare',
    preemptions: 1,
    detours: 0,
    edits: [
      {
        file: 'core/write-back/writer-pool.js',
        from: 'this.#taken.has(writer) ||',
        to: '',
      },
    ],
  },
  'share-beyond': {
    what: 'a partition that has all the frames that it may have takes a free one',
    body: 'cache.share',
    preemptions: 0,
    edits: [
      {
        file: 'core/blocks/victims.js',
        from: 'const isFull = context.shares.isFull(partition);',
        to: 'const isFull = false;',
      },
    ],
  },
  'share-uncounted': {
    what: 'the frames of a partition are not counted again after a death in the middle of a change of the count',
    body: 'cache.share',
    preemptions: 0,
    deaths: 1,
    detours: 0,
    needsStores: true,
    edits: [{ file: 'core/recovery/repair.js', from: 'context.shares.repair();', to: '' }],
  },
  'weak-try-lock': {
    what: 'a thread that leaves a release to the holder of the mutex has looked at the mutex before',
    body: 'cache.pendingOwn',
    preemptions: 2,
    detours: 0,
    weak: 'llsc',
    stales: 1,
    edits: [
      {
        file: 'shared/mutex.js',
        from: 'if (loadInOrder(this.words, this.at) === 0 && compareExchange',
        to: 'if (this.words[this.at] === 0 && compareExchange',
      },
    ],
  },
  'drop-copy-unchecked': {
    what: 'a copy without a pin does not look at the standing of its partition',
    body: 'drop.copyHit',
    preemptions: 1,
    edits: [
      {
        file: 'core/blocks/copy.js',
        from: 'return isStanding(context, partition) ? frame : -1;',
        to: 'return frame;',
      },
    ],
  },
  'drop-guard-unchecked': {
    what: 'a guard is made without a look at the standing',
    body: 'drop.hit',
    preemptions: 1,
    edits: [
      {
        file: 'core/client/guard.js',
        from: 'if (!isStanding(context, partition.view)) assertStands(guard, context, partition);',
        to: '',
      },
    ],
  },
  'drop-write-unchecked': {
    what: 'a write without a guard does not look at the standing',
    body: 'drop.write',
    preemptions: 1,
    edits: [
      {
        file: 'core/blocks/write-now.js',
        from: 'if (!isPossible || !isStanding(context, partition)) {',
        to: 'if (!isPossible) {',
      },
    ],
  },
  'drop-insert-unchecked': {
    what: 'a frame gets a key without a look at the standing under the stripe',
    body: 'drop.missOther',
    preemptions: 1,
    edits: [
      {
        file: 'core/blocks/miss-path.js',
        from: 'if (link !== 0 || !isStanding(context, partition)) {',
        to: 'if (link !== 0) {',
      },
    ],
  },
  'drop-without-stripes': {
    what: 'a drop does not wait for threads that are giving a frame a key',
    body: 'drop.missOther',
    preemptions: 1,
    needsStores: true,
    edits: [
      {
        file: 'core/partitions/drop.js',
        from: 'if (!stripe.tryLock(context.slot.index)) yield* waitForMutex(context, stripe, deadline);\n    stripe.unlock();',
        to: '',
      },
    ],
  },
  'weak-closing': {
    what: 'a guard is made after a plain load of the standing',
    body: 'cache.close',
    preemptions: 2,
    weak: 'llsc',
    stales: 1,
    edits: [
      {
        file: 'core/standing.js',
        from: 'loadInOrder(words, 33 /* standing */) === partition.standingSeen',
        to: 'words[33 /* standing */] === partition.standingSeen',
      },
    ],
  },
}
