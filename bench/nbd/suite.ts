/**
 * `nbd`: compares `dcache serve` with other servers of network block devices, with fio as the client.
 */
import { spawnSync } from 'node:child_process'
import { makeFolder } from '../harness/folder.js'
import type { Column, Row, Section } from '../harness/report.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { Suite } from '../harness/suite.js'
import { DEPTH, type FioResult, runFio } from './fio.js'
import { COMMITS, measureCommits } from './commits.js'
import { measurePgbench, PGBENCH } from './pgbench.js'
import { DCACHE, NBDKIT, type Server, type ServerKind, serverKinds, startServers } from './servers.js'

const COLUMNS: readonly Column[] = [
  { key: 'perSecond', title: 'requests', unit: '/s' },
  { key: 'toNbdkit', title: "to nbdkit's", unit: 'x' },
  { key: 'p99', title: '99 % within', unit: 'us' },
]

const FILE_BLOCKS = 8192
/** fio needs time to start, so a run of a second is short. */
const SLICES = 40
const SMOKE_MS = 300
const SERVER_THREADS = 2
const OPERATIONS = [
  ['random reads', 'randread'],
  ['random writes', 'randwrite'],
] as const

export const nbd: Suite = {
  name: 'nbd',
  about:
    'dcache serve compared with nbdkit and qemu-nbd: random requests, commits, pgbench (needs fio and others)',
  seconds: 350,
  async run(settings, say) {
    const startMs = performance.now()
    const leftOut: string[] = []
    const connectionCounts = settings.threads ?? (settings.smoke ? [1] : [1, 4])
    const kinds = serverKinds(SERVER_THREADS, Math.max(...connectionCounts) + 1).filter(
      ({ name, program }) => name === DCACHE || isThere(program, leftOut),
    )
    const rounds = settings.smoke ? 1 : Math.ceil(settings.rounds / 3)
    const hasFio = isThere('fio', leftOut)
    const ms = settings.smoke ? SMOKE_MS : settings.sliceMs * SLICES
    const rows = hasFio ? await measure(kinds, connectionCounts, { rounds, ms, say }) : []
    const commits = hasFio ? await measureCommits(kinds, settings, leftOut, say) : []
    const pgbench = await measurePgbench(kinds, settings, leftOut, say)
    const sections: Section[] = [
      {
        name: 'requests',
        title: 'Requests of 4 KiB',
        about:
          `fio's nbd engine, ${DEPTH} requests at a time on each connection, over a Unix socket. The file of 64 MiB is in ` +
          `memory for all servers: in dcache's memory, or in the page cache. dcache serves with ${SERVER_THREADS} threads. The ` +
          'client uses as much of the machine as the server.',
        columns: COLUMNS,
        rows,
      },
      {
        name: 'commits',
        title: 'A write and a FLUSH',
        about:
          'fio writes one random block and then flushes, one request after the other on one connection. The files are on the ' +
          'disk of the temporary folder, or in memory.',
        columns: COMMITS,
        rows: commits,
      },
      {
        name: 'pgbench',
        title: 'pgbench on a mounted device',
        about:
          'PostgreSQL on ext4 on a loop device over a file of nbdfuse, which is a client of the server with four connections: ' +
          `transactions of pgbench, with one client, each with its own commit. dcache serves with ${SERVER_THREADS} threads, and ` +
          'with one.',
        columns: PGBENCH,
        rows: pgbench,
      },
    ]
    return {
      name: 'nbd',
      title: 'A block device',
      about: 'Files served as network block devices.',
      sections: sections.filter((section) => section.rows.length > 0),
      leftOut,
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}

interface Measure {
  readonly rounds: number
  readonly ms: number
  readonly say: (text: string) => void
}

async function measure(
  kinds: readonly ServerKind[],
  connectionCounts: readonly number[],
  { rounds, ms, say }: Measure,
): Promise<Row[]> {
  using folder = makeFolder()
  say('nbd: preparing')
  await using servers = await startServers(kinds, folder, FILE_BLOCKS)
  return await compare(servers.byName, connectionCounts, folder.path('.'), { rounds, ms, say })
}

async function compare(
  servers: ReadonlyMap<string, Server>,
  connectionCounts: readonly number[],
  folder: string,
  { rounds, ms, say }: Measure,
): Promise<Row[]> {
  const bytes = FILE_BLOCKS * 8192
  const ask = (
    uri: string,
    operation: 'randread' | 'randwrite' | 'read',
    connections: number,
    time?: number,
  ) => runFio({ uri, operation, connections, bytes, ms: time, folder })
  for (const { uri } of servers.values()) {
    await ask(uri, 'read', 1)
    await ask(uri, 'randread', 1, ms)
  }
  const rows: Row[] = []
  for (const [title, operation] of OPERATIONS) {
    for (const connections of connectionCounts) {
      say(`nbd: ${title}, ${connections} connection(s)`)
      const results = new Map<string, FioResult[]>([...servers.keys()].map((name) => [name, []]))
      for (let round = 0; round < rounds; round++) {
        const order = [...servers]
        for (const [name, { uri }] of round % 2 === 0 ? order : order.reverse())
          results.get(name)!.push(await ask(uri, operation, connections, ms))
      }
      const rates = (name: string) => results.get(name)!.map(({ perSecond }) => perSecond)
      for (const name of servers.keys()) {
        rows.push({
          parameters: { operation: title, connections, server: name },
          figures: {
            perSecond: spreadOf(rates(name)),
            toNbdkit: servers.has(NBDKIT) ? ratioOf(rates(name), rates(NBDKIT)) : null,
            p99: spreadOf(results.get(name)!.map(({ p99Us }) => p99Us)),
          },
        })
      }
    }
  }
  return rows
}

/** Whether a program is installed. If not, adds a line to `leftOut`. */
function isThere(program: string, leftOut: string[]): boolean {
  if (spawnSync(program, ['--version']).error === undefined) return true
  leftOut.push(`${program} is not installed here`)
  return false
}
