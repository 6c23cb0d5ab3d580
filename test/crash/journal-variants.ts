/**
 * Mistakes in the functions of the journal, seeded like those of the explorer (variants.ts): each must be found.
 */
import type { Variant } from './variants.js'

const inRecover = (find: string, replace: string) => ({ file: 'core/journal/recover.js', find, replace })
const inErase = (find: string, replace: string) => ({ file: 'core/journal/owner-writes.js', find, replace })

export const JOURNAL_VARIANTS: readonly Variant[] = [
  {
    name: 'journal-checksum-over-the-header-only',
    edits: [
      {
        file: 'core/journal/record.js',
        find: 'checksumOf(image) === record.checksums[i]',
        replace: 'image.length > 0 || record.checksums[i] === i',
      },
    ],
  },
  {
    name: 'journal-header-without-checksum',
    edits: [
      {
        file: 'core/journal/record.js',
        find: 'if (crc32(copy) !== view.getUint32(CHECKSUM_AT, true)) return void 0;',
        replace: '',
      },
    ],
  },
  {
    name: 'journal-newer-half-only',
    edits: [inRecover('first > last + 1 ? newer : [...older, ...newer]', 'newer')],
  },
  {
    name: 'journal-last-record-of-a-half-only',
    edits: [inRecover('[...older, ...newer];', '[older.at(-1), newer.at(-1)];')],
  },
  {
    name: 'journal-part-of-a-half-is-replayed',
    edits: [inRecover('first > last + 1 ? newer : [...older, ...newer]', '[...older, ...newer]')],
  },
  {
    name: 'journal-record-of-an-earlier-turn-follows',
    edits: [{ file: 'core/journal/scan.js', find: 'record.turn === last.turn && ', replace: '' }],
  },
  {
    name: 'journal-newer-record-first',
    edits: [
      inRecover(
        'for (const record of records) {\n    const places',
        'for (const record of [...records].reverse()) {\n    const places',
      ),
    ],
  },
  {
    name: 'journal-begins-with-half-0-after-recovery',
    edits: [inRecover('otherHalf(newest.half))', '0)')],
  },
  {
    name: 'journal-numbers-restart-after-recovery',
    edits: [inRecover('beginning(newest.number + 1, ', 'beginning(1, ')],
  },
  {
    name: 'journal-recovery-without-sync',
    edits: [inRecover('for (const target of touched)', 'for (const target of [])')],
  },
  {
    name: 'journal-close-erases-the-newer-first',
    edits: [
      inErase(
        'await eraseHalf(storage, file, otherHalf(newest));\n  await eraseHalf(storage, file, newest);',
        'await eraseHalf(storage, file, newest);\n  await eraseHalf(storage, file, otherHalf(newest));',
      ),
    ],
  },
  {
    name: 'journal-close-erases-both-with-one-sync',
    edits: [
      inErase(
        'await storage.write(new Uint8Array(JOURNAL_PAGE), halfAt(file, half));\n  await storage.sync();',
        'await storage.write(new Uint8Array(JOURNAL_PAGE), halfAt(file, half));\n  if (half === newestOf) await storage.sync();',
      ),
      inErase('async function eraseRecords(storage, file, newest) {', 'let newestOf;\nasync function eraseRecords(storage, file, newest) {\n  newestOf = newest;'), // prettier-ignore
    ],
  },
]
