/**
 * Mistakes that the explorer must find: each is seeded in a copy of the compiled engine by replacing a text that occurs
 * exactly once. Some are the ancestor's, some are holes in earlier designs of the protocol. If a text is no longer found,
 * the variant is out of date and must be repaired: it is worth as much as a test.
 */
import { Job } from '#dist/shared/words.js'

export interface Edit {
  /** The file below dist/. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export interface Variant {
  readonly name: string
  readonly edits: readonly Edit[]
}

/** Delays a thread where the mistake leaves a gap of a few instructions. */
const PAUSE = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.3);'
/** In front of an expression. */
const PAUSE_THEN = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.3),'

const inWriter = (find: string, replace: string): Edit => ({
  file: 'core/write-back/image-writer.js',
  find,
  replace,
})
const inSink = (find: string, replace: string): Edit => ({
  file: 'core/write-back/partition-sink.js',
  find,
  replace,
})
const inAlone = (find: string, replace: string): Edit => ({ file: 'core/changes/alone.js', find, replace })
const inUndo = (find: string, replace: string): Edit => ({ file: 'core/changes/undo.js', find, replace })
const inImages = (find: string, replace: string): Edit => ({ file: 'core/changes/images.js', find, replace })

const importIn = (file: string, names: string, from: string): Edit => ({
  file,
  find: 'export {',
  replace: `import ${names} from "${from}";\nexport {`,
})

export const VARIANTS: readonly Variant[] = [
  {
    // The ancestor's order is not a snapshot: it writes what a block holds when its turn comes.
    name: 'no-cut',
    edits: [
      inWriter(
        'image = imageToWrite(this.#context, frame, this.#cut)',
        'image = imageToWrite(this.#context, frame, this.#cut + 1e6)',
      ),
      inWriter('if (isUnwritten(state, this.#cut)) return', 'if (this.#cut >= 0) return'),
    ],
  },
  {
    name: 'cut-does-not-keep-its-images',
    edits: [
      {
        file: 'core/write-back/cut.js',
        find: 'if (isAfter(cut, words[at + 3 /* bound */])) words[at + 3 /* bound */] = cut;',
        replace: '',
      },
    ],
  },
  {
    name: 'clean-before-fsync',
    edits: [
      inWriter(
        'add(context.words, this.#groupAt + 26 /* written */, count);',
        `add(context.words, this.#groupAt + 26 /* written */, count);
    yield* lockRound(context, group, new WhileRunning(context));
    const cut = context.words[this.#groupAt + 2 /* cut */] - 1;
    for (const frame of run.slice(0, count)) {
      const stateAt = context.arena.frameAt(frame) + 1 /* state */;
      if (!isUnwritten(load(context.words, stateAt), cut)) continue;
      and(context.words, stateAt, ~28 /* CLASS_MASK */);
      if (context.words[context.arena.frameAt(frame) + 7 /* saved */] === 0) unlinkDirty(context, group, frame);
    }
    unlockRound(context, group);`,
      ),
      importIn('core/write-back/image-writer.js', '{ and }', '#atomics'),
      importIn('core/write-back/image-writer.js', '{ unlinkDirty }', '../changes/dirty-lists.js'),
    ],
  },
  {
    // The ancestor logs a failed fsync and continues.
    name: 'fsync-failure-ignored',
    edits: [
      {
        file: 'core/write-back/writer.js',
        find: 'words[this.#at + 5 /* result */] = 2 /* FAILED */;',
        replace: 'words[this.#at + 5 /* result */] = error.syscall === 1 ? 1 /* OK */ : 2 /* FAILED */;',
      },
    ],
  },
  {
    // The ancestor forgets a block whose write failed.
    name: 'write-failure-ignored',
    edits: [
      inSink(
        'this.#device.writeSync(images, first * partition.blockSize);',
        'try { this.#device.writeSync(images, first * partition.blockSize); } catch {}',
      ),
    ],
  },
  {
    // The ancestor reads the partition of a written frame when the frame may hold another block by then.
    name: 'fsync-of-the-wrong-partition',
    edits: [
      inSink(
        'this.#device.syncSync();',
        'const all = this.#context.partitions.all(); all[(this.#partition.index + 1) % all.length].device.syncSync();',
      ),
    ],
  },
  {
    name: 'no-fsync-between-classes',
    edits: [
      inSink(
        'this.#device.syncSync();',
        'if (this.#context.words[this.#at + 9 /* jobClass */] === 3) this.#device.syncSync();',
      ),
    ],
  },
  {
    name: 'classes-without-a-barrier',
    edits: [
      {
        file: 'core/write-back/order.js',
        find: 'const writeClass = classOf(stamp);',
        replace: 'const writeClass = 1;',
      },
    ],
  },
  {
    name: 'cut-spans-a-class-change',
    edits: [inImages('if (!differs || !isAfter', 'if (differs || !isAfter')],
  },
  {
    name: 'fsynced-again-after-a-failure',
    edits: [
      {
        file: 'core/write-back/writeback.js',
        find: 'if (isWell) clean(',
        replace: `if (isWell || words[at + ${Job.syscall}] === 1) clean(`,
      },
    ],
  },
  {
    name: 'later-classes-continue-after-a-failure',
    edits: [
      {
        file: 'core/write-back/writeback.js',
        find: 'if (failed.length > 0) return failed;',
        replace: 'ignored.push(...failed);',
      },
      { file: 'core/write-back/writeback.js', find: '  return [];', replace: '  return ignored;' },
      {
        file: 'core/write-back/writeback.js',
        find: '  const { frames, jobs } = cut;\n  if',
        replace: '  const { frames, jobs } = cut;\n  const ignored = [];\n  if',
      },
    ],
  },
  {
    name: 'images-saved-only-for-the-active-cut',
    edits: [
      inImages(
        'isNeeded(context, group, old)',
        'words[groupAt + 2 /* cut */] !== 0 && isUnwritten(old, words[groupAt + 2 /* cut */] - 1)',
      ),
      importIn('core/changes/images.js', '{ isUnwritten }', '../../shared/stamp.js'),
    ],
  },
  {
    name: 'older-images-of-the-first-class-forgotten',
    edits: [
      inImages('stampOf(epoch, writeClass) | older', 'stampOf(epoch, writeClass)'),
      inAlone('stampOf(epoch, FIRST_CLASS) | older', 'stampOf(epoch, FIRST_CLASS)'),
    ],
  },
  {
    name: 'first-class-over-another',
    edits: [
      {
        file: 'core/changes/to-write.js',
        find: 'writeClass === FIRST_CLASS && isFirstOnly(context, frame)',
        replace: 'writeClass === FIRST_CLASS',
      },
    ],
  },
  {
    name: 'failed-round-drops-saved-images',
    edits: [
      {
        file: 'core/write-back/fence.js',
        find: 'store(words, at + 2 /* cut */, 0);',
        replace:
          'store(words, at + 2 /* cut */, 0);\n  for (const frame of frames) dropSaved(context, group, frame, () => true);',
      },
      importIn('core/write-back/fence.js', '{ dropSaved }', '../changes/images.js'),
    ],
  },
  {
    name: 'one-saved-image-a-block',
    edits: [
      inImages(
        'words[spareAt + 1 /* next */] = words[at + 7 /* saved */];',
        'dropSaved(context, group, frame, () => true);\n    words[spareAt + 1 /* next */] = 0;',
      ),
    ],
  },
  {
    name: 'discard-frees-what-a-writer-reads',
    edits: [inWriter('return new Uint8Array(this.#spareBytes(spare));', 'return this.#spareBytes(spare);')],
  },
  {
    name: 'saved-image-freed-when-written',
    edits: [
      inWriter(
        'add(context.words, this.#groupAt + 26 /* written */, count);',
        `add(context.words, this.#groupAt + 26 /* written */, count);
    yield* lockRound(context, group, new WhileRunning(context));
    const cut = context.words[this.#groupAt + 2 /* cut */] - 1;
    for (const frame of run.slice(0, count)) dropSaved(context, group, frame, (stamp) => isUnwritten(stamp, cut));
    unlockRound(context, group);`,
      ),
      importIn('core/write-back/image-writer.js', '{ dropSaved }', '../changes/images.js'),
    ],
  },
  {
    name: 'undo-because-latched',
    edits: [
      inWriter('if ((state & 2 /* CHANGING */) === 0) return', 'if (words[at + 6 /* undo */] === 0) return'),
      inUndo('function fillUndo(context, frame) {', `function fillUndo(context, frame) {\n  ${PAUSE}`),
    ],
  },
  {
    name: 'undo-copied-without-taken',
    edits: [
      inWriter(
        'state, state | 64 /* TAKEN */) === state)\n        return',
        `state, state) === state)\n        return ${PAUSE_THEN}`,
      ),
    ],
  },
  {
    name: 'taken-is-overlooked',
    edits: [
      inAlone('(28 /* CLASS_MASK */ | 64 /* TAKEN */)', '28 /* CLASS_MASK */'),
      inWriter('return this.#undoBytes(frame);', `return ${PAUSE_THEN} this.#undoBytes(frame);`),
    ],
  },
  {
    name: 'changing-is-overlooked',
    edits: [inWriter('return this.#undoBytes(frame);', 'return this.#context.view(this.partition, frame);')],
  },
  {
    name: 'state-stored-during-the-round',
    edits: [
      inImages(
        'or(context.words, context.arena.frameAt(frame) + 1 /* state */, 2 /* CHANGING */);',
        `const state = context.words[context.arena.frameAt(frame) + 1 /* state */];
  ${PAUSE}
  context.words[context.arena.frameAt(frame) + 1 /* state */] = state | 2 /* CHANGING */;`,
      ),
    ],
  },
  {
    name: 'image-of-the-declared-range-only',
    edits: [inImages('if (isKept) completeUndo(context, frame, spare);', '')],
  },
  {
    name: 'flush-of-an-earlier-epoch',
    edits: [
      {
        file: 'core/changes/rounds.js',
        find: 'ticket = round.ticket(epoch)',
        replace: 'ticket = round.ticket(epoch - 1)',
      },
    ],
  },
]
