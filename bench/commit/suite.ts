/**
 * `commit`: commits of dcache in a group with a journal compared with bare appends and with other stores, durable and not, on the
 * disk as it is and on a slower one; and what durable commits cost threads that read.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { makeFolder } from '../harness/folder.js'
import type { Column, Figure, Row, Section } from '../harness/report.js'
import type { Suite } from '../harness/suite.js'
import { COMMITS, DCACHE, type Measured, type MeasureSettings, READS } from './measure.js'
import { SLOW_MS, slowEnvironment } from './slow-sync.js'

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))
const SLOWED = `${SLOW_MS} ms more for each sync`

const CRITERIA: readonly Column[] = [
  { key: 'ratio', title: 'measured', unit: 'x' },
  { key: 'least', title: 'at least', unit: 'x' },
]

export const commit: Suite = {
  name: 'commit',
  about:
    'commits in a group with a journal compared with bare appends, lmdb, node:sqlite and classic-level; reads in the meantime',
  seconds: 700,
  async run(settings, say) {
    const startMs = performance.now()
    using folder = makeFolder()
    const leftOut: string[] = []
    const { smoke, rounds, sliceMs, threads, peers, policy } = settings
    const common = { smoke, rounds, sliceMs, threads, peers, policy }
    const fast = await measureApart({ ...common, isSlow: false }, process.env, say)
    leftOut.push(...fast.leftOut)
    const env = slowEnvironment(folder, leftOut)
    const slow =
      env === undefined
        ? undefined
        : await measureApart({ ...common, isSlow: true }, env, (text) => {
            say(`${text}, ${SLOWED}`)
          })
    return {
      name: 'commit',
      title: 'Commits',
      about:
        'Each thread changes blocks of 4 KiB of its own, or as many values, one or eight with each commit. What was committed is ' +
        'read again. The files are in the temporary folder.',
      sections: sectionsOf(fast, slow),
      leftOut,
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

function sectionsOf(fast: Measured, slow: Measured | undefined): Section[] {
  const append =
    'Compared with appends of the blocks to a file that was written before: write and fsync. An append with a page in front has as ' +
    'many bytes as a record of the journal.'
  const commits = (name: string, title: string, about: string, rows: readonly Row[]): Section[] =>
    rows.length === 0 ? [] : [{ name, title, about: `${about} ${append}`, columns: COMMITS, rows }]
  const reads = [
    ...fast.reads.map((row) => withDisk('as it is', row)),
    ...(slow?.reads ?? []).map((row) => withDisk(SLOWED, row)),
  ]
  return [
    ...commits(
      'durable',
      'Durable commits',
      'dcache: updateSync and flushSync. lmdb: without overlapping syncs. SQLite: synchronous=FULL. classic-level: sync.',
      fast.durable,
    ),
    ...commits(
      'slowed',
      'Durable commits on a slower disk',
      `As above; every sync of the process takes ${SLOW_MS} ms more, also those in native code.`,
      slow?.durable ?? [],
    ),
    ...commits(
      'relaxed',
      'Commits that are not durable',
      'dcache: updateSync. lmdb: noSync. SQLite: synchronous=OFF. classic-level: no sync. Appends: no fsync.',
      fast.relaxed,
    ),
    {
      name: 'reads',
      title: 'Reads during commits',
      about:
        'One thread reads cached blocks in a random order, alone, while another one makes durable commits of one block, and while it ' +
        'appends the block to a file instead and syncs it: what the system does for a sync takes time of the processors too.',
      columns: READS,
      rows: reads,
    },
    {
      name: 'criteria',
      title: 'What commits are held to',
      about: 'Ratios from the sections above.',
      columns: CRITERIA,
      rows: [
        criterion('1 thread, 1 block, durable, the disk as it is: to append', 0.8, ratioIn(fast.durable, 1, 'toAppend')),
        criterion(`4 threads, 1 block, durable, ${SLOWED}: to node:sqlite`, 2, ratioIn(slow?.durable, 4, 'toSqlite')),
        criterion('reads while another thread commits: to alone', 0.8, fast.reads[0]!.figures['ratio']!),
      ],
    },
  ]
} // prettier-ignore

const withDisk = (disk: string, { parameters, figures }: Row): Row => ({
  parameters: { disk, ...parameters },
  figures,
})

const criterion = (what: string, least: number, ratio: Figure): Row => ({
  parameters: { what },
  figures: { ratio, least },
})

const ratioIn = (rows: readonly Row[] | undefined, threads: number, key: string): Figure =>
  rows?.find(
    ({ parameters }) =>
      parameters['variant'] === DCACHE && parameters['blocks'] === 1 && parameters['threads'] === threads,
  )?.figures[key] ?? null

/** Measures in a process of its own. @throws if it fails */
async function measureApart(
  settings: MeasureSettings,
  env: NodeJS.ProcessEnv,
  say: (text: string) => void,
): Promise<Measured> {
  const flags = [...process.execArgv, '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, PROGRAM, JSON.stringify(settings)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = () => child.kill()
  process.once('exit', kill)
  let [text, complaint] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('commit: ')) say(line)
    else complaint += `${line}\n`
  })
  const end = await new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => {
      resolve(signal ?? code)
    }),
  )
  process.off('exit', kill)
  if (end !== 0) throw new Error(`the measuring process ended with ${String(end)}: ${complaint}`)
  return JSON.parse(text) as Measured
}
