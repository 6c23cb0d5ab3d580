/**
 * Mistakes in the rounds of a group with a journal, which journaled.test.ts must find: those of the design's list, and those that
 * were made.
 */
import type { Edit, Variant } from './variants.js'

const inCut = (find: string, replace: string): Edit => ({
  file: 'core/write-back/record-cut.js',
  find,
  replace,
})
const inRound = (find: string, replace: string): Edit => ({
  file: 'core/write-back/record-round.js',
  find,
  replace,
})
const inRecorded = (find: string, replace: string): Edit => ({
  file: 'core/changes/recorded.js',
  find,
  replace,
})

export const JOURNALED_VARIANTS: readonly Variant[] = [
  {
    name: 'journaled-no-sync-of-the-journal',
    edits: [
      {
        file: 'core/write-back/record-writer.js',
        find: 'this.#device.syncSync();',
        replace: 'void 0;',
      },
    ],
  },
  {
    name: 'journaled-in-place-before-the-sync',
    edits: [
      inCut(
        'const number = words[at + 5 /* done */];',
        'const number = Math.max(words[at + 5 /* done */], words[at + 2 /* cut */] - 1);',
      ),
    ],
  },
  {
    name: 'journaled-half-reused-too-early',
    edits: [inCut('if (words[at + 66 /* owes */] === 1) return false;', '')],
  },
  {
    name: 'journaled-checksum-over-the-header-only',
    edits: [
      {
        file: 'core/journal/record.js',
        find: 'checksumOf(image) === record.checksums[i]',
        replace: 'image.length > 0 || record.checksums[i] === i',
      },
    ],
  },
  {
    // A commit in two halves: each of its blocks may have an epoch of its own. To end each cut where the first epoch ends is right.
    name: 'journaled-epoch-ends-within-a-commit',
    edits: [
      inCut(
        '(list.contents?.plan.bytes ?? 0) > context.journals[group].halfBytes',
        '(list.contents?.plan.bytes ?? 0) > 0',
      ),
      {
        file: 'core/changes/pending.js',
        find: 'for (const frame of chain) settleOne(context, group, frame);',
        replace:
          'for (const frame of chain) { closeFullEpoch(context, group, 2 ** 30); settleOne(context, group, frame); }',
      },
    ],
  },
  {
    name: 'journaled-image-that-is-owed-not-kept',
    edits: [
      inRecorded('return words[at + 66 /* owes */] === 1 &&', 'return words[at + 66 /* owes */] === 7 &&'),
    ],
  },
  {
    name: 'journaled-image-of-the-last-record-not-kept',
    edits: [inCut('keepOwed(context, group, frame, isRecorded);', '')],
  },
  {
    // What holds for the first class: the newest image stands for older ones, and stamps are given without the mutex.
    name: 'journaled-newest-images',
    edits: [{ file: 'shared/stamp.js', find: 'var RECORD_CLASS = 2;', replace: 'var RECORD_CLASS = 1;' }],
  },
  {
    name: 'journaled-failed-record-counts',
    edits: [inRound('if (result === 1 /* OK */) conclude', 'if (result > 0) conclude')],
  },
  {
    name: 'journaled-retry-in-the-other-half',
    edits: [
      inCut(
        'context.rounds[group].fail(spokeFor);',
        'context.rounds[group].fail(spokeFor); setPlace(arena, group, placeFor(nextPlace(context, group), 2 ** 40, context.journals[group]));',
      ),
    ],
  },
  {
    name: 'journaled-clean-once-recorded',
    edits: [
      inCut(
        'const next = state & ~28 /* CLASS_MASK */ | PLACE_CLASS << 2 /* CLASS_SHIFT */;',
        'const next = state & ~28 /* CLASS_MASK */;',
      ),
      inCut('relinkDirty(context, group, frame);', 'unlinkDirty(context, group, frame);'),
      inCut('import { dirtyFrames, relinkDirty } from', 'import { dirtyFrames, unlinkDirty } from'),
    ],
  },
  {
    // Writes in place that began before the record was durable have nothing of it.
    name: 'journaled-half-free-by-an-older-cut',
    edits: [
      inRound(
        'words[at + 2 /* cut */] === 0 || !isAfter(owedTo, cut.number);',
        '!isAfter(cut.number, cut.number);',
      ),
    ],
  },
  {
    name: 'journaled-half-free-with-a-fence',
    edits: [inRound('cut.isAll && isDurable', 'isDurable')],
  },
  {
    // Images that come late have others between them, which were written already.
    name: 'journaled-zeros-between-late-images',
    edits: [
      {
        file: 'core/write-back/record-writer.js',
        find: 'const skipsWritten = position > this.#end && this.#end < this.#farthest;',
        replace: 'const skipsWritten = false;',
      },
    ],
  },
  {
    name: 'journaled-partitions-not-synced',
    edits: [
      { file: 'core/write-back/partition-sink.js', find: 'this.#device.syncSync();', replace: 'void 0;' },
    ],
  },
]
