/**
 * pgbench, the benchmark of PostgreSQL, on a file system on the served device: a program whose time is mostly commits.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { filePlaces, makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import { missingForMount, Mount } from './mounts.js'
import { DCACHE, NBDKIT, type ServerKind, serverKinds, startServers } from './servers.js'

export const PGBENCH: readonly Column[] = [
  { key: 'perSecond', title: 'transactions', unit: '/s' },
  { key: 'toNbdkit', title: "to nbdkit's", unit: 'x' },
]

/** As docs/block-device.md advises for one client that waits for each flush. */
const SINGLE = `${DCACHE} --threads 1`
/** Of 8 KiB; less than the memory of a server. */
const DEVICE_BLOCKS = 2 ** 14 * 1.5
/** PostgreSQL does not run as root. */
const USER = 'postgres'
const ROUNDS_MAX = 5
/** Times the slice of the settings: a run takes 3 s. */
const SLICES = 60
/** Where Debian has the programs that are not in PATH. */
const VERSIONS = '/usr/lib/postgresql'

const programs = (): string | undefined =>
  existsSync(VERSIONS)
    ? readdirSync(VERSIONS)
        .map((version) => join(VERSIONS, version, 'bin'))
        .find((folder) => existsSync(join(folder, 'initdb')))
    : undefined

/** One row for each server and place of the files. Empty in a smoke run, because a cluster takes long to make. */
export async function measurePgbench(
  kinds: readonly ServerKind[],
  settings: BenchSettings,
  leftOut: string[],
  say: (text: string) => void,
): Promise<Row[]> {
  if (settings.smoke) return []
  const bin = programs()
  const missing = missingForMount()
  if (bin === undefined) missing.push(`PostgreSQL in ${VERSIONS}`)
  if (spawnSync('runuser', ['-u', USER, '--', 'true']).status !== 0) missing.push(`runuser and the user ${USER}`)
  if (bin === undefined || missing.length > 0) {
    leftOut.push(`pgbench needs ${missing.join(', ')}`)
    return []
  }
  const single = serverKinds(1, 1).find(({ name }) => name === DCACHE)!
  const compared = [
    ...kinds.filter(({ name }) => name === DCACHE || name === NBDKIT),
    { ...single, name: SINGLE },
  ]
  const rows: Row[] = []
  for (const [files, parent] of filePlaces([])) {
    say(`nbd: pgbench, files on ${files}`)
    const rates = await measure(compared, settings, bin, parent)
    const its = rates.get(NBDKIT)
    for (const [server, own] of rates)
      rows.push({
        parameters: { files, server },
        figures: { perSecond: spreadOf(own), toNbdkit: its === undefined ? null : ratioOf(own, its) },
      })
  }
  return rows
} // prettier-ignore

/** Transactions a second of each round, by server. */
async function measure(
  kinds: readonly ServerKind[],
  settings: BenchSettings,
  bin: string,
  parent: string,
): Promise<Map<string, number[]>> {
  using folder = makeFolder(parent)
  // The user of PostgreSQL passes through it.
  chmodSync(folder.path('.'), 0o755)
  await using servers = await startServers(kinds, folder, DEVICE_BLOCKS)
  const clusters = new Map<string, Cluster>()
  try {
    for (const [i, [name, { uri }]] of [...servers.byName].entries())
      clusters.set(name, await Cluster.start(folder.path(`cluster-${i}`), uri, bin))
    const seconds = Math.max(1, Math.round((settings.sliceMs * SLICES) / 1000))
    for (const cluster of clusters.values()) await cluster.run(1)
    const rates = new Map<string, number[]>([...clusters.keys()].map((name) => [name, []]))
    for (let round = 0; round < Math.min(settings.rounds, ROUNDS_MAX); round++) {
      const order = [...clusters]
      for (const [name, cluster] of round % 2 === 0 ? order : order.reverse())
        rates.get(name)!.push(await cluster.run(seconds))
    }
    return rates
  } finally {
    for (const cluster of clusters.values()) await cluster[Symbol.asyncDispose]()
  }
}

/** A running database in a mounted file system of its own. It accepts connections in a folder only. */
class Cluster implements AsyncDisposable {
  readonly #mount: Mount
  readonly #data: string
  readonly #bin: string

  private constructor(mount: Mount, bin: string) {
    this.#mount = mount
    this.#data = join(mount.folder, 'data')
    this.#bin = bin
  }

  static async start(path: string, uri: string, bin: string): Promise<Cluster> {
    const cluster = new Cluster(await Mount.make(path, uri), bin)
    try {
      mkdirSync(cluster.#data)
      execFileSync('chown', [USER, cluster.#data])
      cluster.#execute('initdb', '--no-sync', '--auth=trust', '--pgdata', cluster.#data)
      const options = `-c listen_addresses= -c unix_socket_directories=${cluster.#data} -c shared_buffers=32MB -c max_wal_size=64MB -c min_wal_size=32MB`
      cluster.#execute('pg_ctl', 'start', '--wait', '--silent', '--log', join(cluster.#data, 'log'), '--pgdata', cluster.#data, '-o', options)
      cluster.#execute('pgbench', '--initialize', '--quiet', '--scale=2', '--host', cluster.#data, USER)
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  } // prettier-ignore

  #arguments(program: string, args: readonly string[]): string[] {
    return ['-u', USER, '--', join(this.#bin, program), ...args]
  }

  #execute(program: string, ...args: string[]): void {
    execFileSync('runuser', this.#arguments(program, args), { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/' })
  }

  /** Resolves to the transactions a second of one client. @throws if pgbench fails */
  async run(seconds: number): Promise<number> {
    const args = ['--client=1', '--no-vacuum', `--time=${seconds}`, '--host', this.#data, USER]
    const child = spawn('runuser', this.#arguments('pgbench', args), { cwd: '/' })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    await new Promise((resolve) => child.once('close', resolve))
    const tps = /tps = ([\d.]+)/.exec(output)?.[1]
    if (tps === undefined) throw new Error(`pgbench failed: ${output}`)
    return Number(tps)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    spawnSync('runuser', this.#arguments('pg_ctl', ['stop', '--mode=immediate', '--silent', '--pgdata', this.#data]), { cwd: '/' })
    await this.#mount[Symbol.asyncDispose]()
  } // prettier-ignore
}
