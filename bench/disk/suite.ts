/**
 * `disk`: measures what dcache adds to the system's reads and writes, and how long writers wait when the disk is slower
 * than their changes.
 */
import { CacheError, openCache } from 'dcache'
import { type Folder, makeFolder } from '../harness/folder.js'
import type { Row } from '../harness/report.js'
import type { Suite } from '../harness/suite.js'
import { COMMITS, LATER_BLOCKS, measureCommits } from './commit.js'
import { FIO, measureFio } from './fio.js'
import { FLUSHES, KINDS, measureFlush } from './flush.js'
import { measureMisses, MISSES } from './miss.js'
import { measureSteady, STEADY } from './steady.js'
import { makeFile } from './workload.js'

export const disk: Suite = {
  name: 'disk',
  about: 'misses, flushes and commits compared with bare calls; how long changes wait for a busy disk',
  seconds: 400,
  async run(settings, say) {
    const startMs = performance.now()
    using outer = makeFolder()
    const leftOut: string[] = []
    const ways = (await canDirect(outer, leftOut)) ? [false, true] : [false]
    say('disk: misses')
    const misses = await measureMisses(outer, settings, ways)
    const flushes: Row[] = []
    const steady: Row[] = []
    for (const direct of ways) {
      for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
        using folder = makeFolder()
        say(`disk: flush, ${kind}, ${direct ? 'direct' : 'buffered'}`)
        flushes.push(await measureFlush(folder, settings, kind, direct))
      }
      using folder = makeFolder()
      say(`disk: changes without end, ${direct ? 'direct' : 'buffered'}`)
      steady.push(await measureSteady(folder, settings, direct))
    }
    const commits = await measureCommits(settings, false, leftOut, say)
    const logs = await measureCommits(settings, true, leftOut, say)
    const fio = measureFio(outer, settings, leftOut)
    return {
      name: 'disk',
      title: 'The disk',
      about: 'Blocks of 8 KiB on the file system of the temporary folder. The written files are checked.',
      sections: [
        {
          name: 'misses',
          title: 'A miss',
          about:
            'One thread reads a file 16 times as long as the cache, or two threads a half each, from the page cache or, with ' +
            'direct I/O, from the disk. fs.readSync reads into random slots of a memory as large as the cache. For a sequence, ' +
            'the time is that of the thread alone; other threads read ahead. The last two columns: the throughput of all ' +
            'threads in terms of one, and that compared with fs.readSync.',
          columns: MISSES,
          rows: misses,
        },
        {
          name: 'flushes',
          title: 'A flush',
          about:
            'One flush of dirty blocks, compared with bare calls that write the same blocks: neighbours in writes of 1 MiB, ' +
            'random blocks of 8 KiB in ascending order, and one fsync for each file.',
          columns: FLUSHES,
          rows: flushes,
        },
        {
          name: 'commits',
          title: 'A commit',
          about:
            'Each thread changes a block of its own and flushes, one commit after the other, without and with pauses. ' +
            'Compared with one bare write and fsync by as many threads, in the same round. What dcache adds is also stated in ' +
            'wake-up round trips: two threads that wake each other by wait and notify, in the same round. On the slowed disk ' +
            'an fsync takes that many milliseconds more, and a write as long as its bytes at that rate.',
          columns: COMMITS,
          rows: commits,
        },
        {
          name: 'logs',
          title: 'A commit to a log',
          about:
            'As above, with `flush({ through })`: the block is of the first class, and ' +
            `${LATER_BLOCKS} blocks of another partition and a later class are dirty all the time.`,
          columns: COMMITS,
          rows: logs,
        },
        {
          name: 'steady',
          title: 'Changes without end',
          about:
            'Two threads change random blocks as fast as they can; there are twice as many blocks as the cache holds. The ' +
            'times are from acquire to release. The longest ones are compared with the time that the device needs, at ' +
            'the speed of the bare loop, for the blocks written during them.',
          columns: STEADY,
          rows: steady,
        },
        ...(fio.length === 0
          ? []
          : [
              {
                name: 'fio',
                title: 'fio on the same disk',
                about:
                  'Random writes of 8 KiB and one fsync at the end, for the same number of blocks as a flush.',
                columns: FIO,
                rows: fio,
              },
            ]),
      ],
      leftOut,
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

async function canDirect(folder: Folder, leftOut: string[]): Promise<boolean> {
  const path = folder.path('direct')
  makeFile(path, 1)
  try {
    const partitions = { file: { path, blockSize: 4096, direct: true } }
    await (await openCache({ memory: '1MiB', partitions })).close()
    return true
  } catch (error) {
    if (!(error instanceof CacheError)) throw error
    leftOut.push(`direct I/O: ${error.message}`)
    return false
  }
}
