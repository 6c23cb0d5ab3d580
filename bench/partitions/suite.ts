/**
 * `partitions`: measures what many partitions cost a process, and what it takes to add and to drop one. Each measurement is a
 * process of its own (program.ts).
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Folder, makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { Suite } from '../harness/suite.js'
import { BLOCK_SIZE, BLOCKS, type Measured } from './program.js'

const OPEN: readonly Column[] = [
  { key: 'open', title: 'to open', unit: 'ms' },
  { key: 'toOne', title: 'to one partition', unit: 'x' },
  { key: 'threads', title: 'threads', unit: 'count' },
  { key: 'rss', title: 'resident memory', unit: 'bytes' },
  { key: 'rssToOne', title: "to one partition's", unit: 'x' },
]

const WRITTEN: readonly Column[] = [
  { key: 'writers', title: 'writers', unit: 'count' },
  { key: 'rss', title: 'resident memory', unit: 'bytes' },
]

const CHANGED: readonly Column[] = [
  { key: 'add', title: 'to add', unit: 'ms' },
  { key: 'bare', title: 'bare', unit: 'ms' },
  { key: 'ratio', title: 'to bare', unit: 'x' },
  { key: 'drop', title: 'to drop', unit: 'ms' },
]

export const partitions: Suite = {
  name: 'partitions',
  about: 'what many partitions cost a process, and what it takes to add and to drop one',
  seconds: 75,
  async run(settings, say) {
    const startMs = performance.now()
    using folder = makeFolder()
    const counts = settings.smoke ? [1, 12] : [1, 100, 1000]
    for (let i = 0; i < Math.max(...counts); i++)
      writeFileSync(folder.path(String(i)), new Uint8Array(BLOCKS * BLOCK_SIZE))
    const measured = new Map(counts.map((count): [number, Measured[]] => [count, []]))
    for (let round = 0; round < settings.rounds; round++) {
      say(`partitions: round ${round + 1} of ${settings.rounds}`)
      for (const count of round % 2 === 0 ? counts : [...counts].reverse())
        measured.get(count)!.push(measure(folder, count))
    }
    const one = measured.get(1)!
    const rowsOf = (figures: (all: readonly Measured[]) => Row['figures']): Row[] =>
      counts.map((count) => ({ parameters: { partitions: count }, figures: figures(measured.get(count)!) }))
    return {
      name: 'partitions',
      title: 'Partitions',
      about: `Each partition is a file of ${BLOCKS} blocks of ${BLOCK_SIZE} bytes. The cache has 64 MiB.`,
      sections: [
        {
          name: 'opening',
          title: 'Many partitions',
          about:
            'Opening a cache on files that are there, compared with opening one partition. The threads are those of the cache, ' +
            'the owner included. The memory is that of the whole process after opening.',
          columns: OPEN,
          rows: rowsOf((all) => ({
            open: spreadOf(all.map(({ openMs }) => openMs)),
            toOne: ratioOf(openings(all), openings(one)),
            threads: spreadOf(all.map(({ threads }) => threads)),
            rss: spreadOf(all.map(({ rss }) => rss)),
            rssToOne: ratioOf(all.map(({ rss }) => rss), one.map(({ rss }) => rss)), // prettier-ignore
          })),
        },
        {
          name: 'writing',
          title: 'Some of them are written',
          about:
            'Ten of the partitions, or the one, are changed and flushed again and again. Writers are started for these alone.',
          columns: WRITTEN,
          rows: rowsOf((all) => ({
            writers: spreadOf(all.map(({ writers }) => writers)),
            rss: spreadOf(all.map(({ writingRss }) => writingRss)),
          })),
        },
        {
          name: 'changing',
          title: 'Another one is added and dropped',
          about:
            'addPartition creates a file and makes its name and its size durable, which bare is too. dropPartition drops it ' +
            'with one cached block and nothing to write.',
          columns: CHANGED,
          rows: rowsOf((all) => ({
            add: spreadOf(all.map(({ addMs }) => addMs)),
            bare: spreadOf(all.map(({ bareAddMs }) => bareAddMs)),
            ratio: ratioOf(all.map(({ addMs }) => addMs), all.map(({ bareAddMs }) => bareAddMs)), // prettier-ignore
            drop: spreadOf(all.map(({ dropMs }) => dropMs)),
          })),
        },
      ],
      leftOut: [],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

const openings = (all: readonly Measured[]): number[] => all.map(({ openMs }) => openMs)

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))

function measure(folder: Folder, count: number): Measured {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, folder.path(''), String(count)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${count} partitions: ${stderr}`)
  return JSON.parse(stdout) as Measured
}
