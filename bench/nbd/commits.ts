/**
 * A write and a FLUSH, one after the other on one connection.
 */
import { filePlaces, makeFolder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import { ratioOf, spreadOf } from '../harness/spread.js'
import type { BenchSettings } from '../harness/suite.js'
import { runFio } from './fio.js'
import { NBDKIT, type ServerKind, startServers } from './servers.js'

export const COMMITS: readonly Column[] = [
  { key: 'commit', title: 'a write and a FLUSH', unit: 'us' },
  { key: 'toNbdkit', title: "time to nbdkit's", unit: 'x' },
]

/** Of 8 KiB. */
const FILE_BLOCKS = 2048
const REQUEST_BYTES = [4096, 8192]
/** fio needs time to start: a run takes a second with the default options. */
const SLICES = 20
const SMOKE_MS = 300

export async function measureCommits(
  kinds: readonly ServerKind[],
  settings: BenchSettings,
  leftOut: string[],
  say: (text: string) => void,
): Promise<Row[]> {
  const { smoke, sliceMs } = settings
  const rounds = smoke ? 1 : Math.ceil(settings.rounds / 3)
  const rows: Row[] = []
  for (const [files, parent] of filePlaces(leftOut)) {
    using folder = makeFolder(parent)
    await using servers = await startServers(kinds, folder, FILE_BLOCKS)
    const run = async (uri: string, requestBytes: number, ms: number): Promise<number> => {
      const bytes = FILE_BLOCKS * 8192
      const about = { operation: 'commit', connections: 1, folder: folder.path('.') } as const
      const { perSecond } = await runFio({ uri, ...about, bytes, requestBytes, ms })
      return 1e6 / perSecond
    }
    const ms = smoke ? SMOKE_MS : sliceMs * SLICES
    for (const requestBytes of smoke ? REQUEST_BYTES.slice(0, 1) : REQUEST_BYTES) {
      const request = `${requestBytes / 1024} KiB`
      say(`nbd: writes of ${request} and FLUSH, files on ${files}`)
      const us = new Map<string, number[]>([...servers.byName.keys()].map((name) => [name, []]))
      for (const { uri } of servers.byName.values()) await run(uri, requestBytes, ms)
      for (let round = 0; round < rounds; round++) {
        const order = [...servers.byName]
        for (const [name, { uri }] of round % 2 === 0 ? order : order.reverse())
          us.get(name)!.push(await run(uri, requestBytes, ms))
      }
      const its = us.get(NBDKIT)
      for (const [server, own] of us) {
        const toNbdkit = its === undefined ? null : ratioOf(own, its)
        rows.push({
          parameters: { files, request, server },
          figures: { commit: spreadOf(own), toNbdkit },
        })
      }
    }
  }
  return rows
}
