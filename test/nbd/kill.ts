// Kills both processes of the server under load and restarts it: data that was flushed, or written with FUA and answered,
// must be there. Several connections write versions of their own blocks; a flush on any connection covers all writes that
// were answered on any of them before.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { tempFolder } from '../support/temp.js'
import { Server } from './server.js'
import { WireClient } from './wire-client.js'

const BLOCK = 4096
/** The number of blocks of each connection; all together are more than the cache holds. */
const BLOCKS = 400
const CONNECTIONS = 4
/** The number of concurrent writes on each connection. */
const LANES = 8

/** What a connection knows of its blocks. */
class Ledger {
  /** For each block: the newest versions that were sent, that were answered, and that are promised to be on the disk. */
  readonly sent = new Uint32Array(BLOCKS)
  readonly answered = new Uint32Array(BLOCKS)
  readonly durable = new Uint32Array(BLOCKS)
}

function stamp(connection: number, block: number, version: number): Buffer {
  const bytes = Buffer.alloc(BLOCK, (connection * 31 + block * 7 + version) & 255)
  bytes.writeUInt32BE(connection, 0)
  bytes.writeUInt32BE(block, 4)
  bytes.writeUInt32BE(version, 8)
  return bytes
}

const place = (connection: number, block: number) => (connection * BLOCKS + block) * BLOCK

/** Writes until the connection ends. */
async function load(client: WireClient, connection: number, ledgers: readonly Ledger[]): Promise<void> {
  const own = ledgers[connection]!
  for (let i = 0; ; i++) {
    const writes = Array.from({ length: LANES }, async (_, lane) => {
      // No two concurrent writes go to the same block, because their order would be undefined.
      const block = Math.floor((Math.random() * BLOCKS) / LANES) * LANES + lane
      const version = ++own.sent[block]!
      const isForced = Math.random() < 0.05
      const flags = isForced ? nbd.NBD_CMD_FLAG_FUA : 0
      const { error } = await client.request(nbd.NBD_CMD_WRITE, place(connection, block), BLOCK, flags, stamp(connection, block, version)) // prettier-ignore
      assert.is(error, 0)
      own.answered[block] = Math.max(own.answered[block]!, version)
      if (isForced) own.durable[block] = Math.max(own.durable[block]!, version)
    })
    await Promise.all(writes)
    if (i % 20 !== 19) continue
    const promised = ledgers.map((ledger) => ledger.answered.slice())
    await client.flush()
    for (const [which, versions] of promised.entries())
      versions.forEach((version, block) => {
        const ledger = ledgers[which]!
        ledger.durable[block] = Math.max(ledger.durable[block]!, version)
      })
  }
}

/** Grows with each promise that a block is durable. */
const versions = (ledgers: readonly Ledger[]): number =>
  ledgers.flatMap(({ durable }) => [...durable]).reduce((sum, version) => sum + version, 0)

/** Kills and verifies repeatedly, and prints how many promises were compared with the disk. With a journal, of this size. */
export async function killRounds(rounds: number, journal?: string): Promise<void> {
  using folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(CONNECTIONS * BLOCKS * BLOCK))
  const path = join(folder.path, 'socket')
  const args = ['--export', `disk=${disk}`, '--unix', path, '--memory', '4MiB', '--flush-delay', '0.2']
  if (journal !== undefined) args.push('--journal', `${join(folder.path, 'journal')}:${journal}`)
  const ledgers = Array.from({ length: CONNECTIONS }, () => new Ledger())
  let promises = 0
  for (let round = 0; round <= rounds; round++) {
    await using server = await Server.start(args)
    const clients = await Promise.all(ledgers.map(() => WireClient.open({ path }, 'disk')))
    await Promise.all(
      clients.map(async (client, connection) => {
        for (let block = 0; block < BLOCKS; block++) {
          const bytes = await client.read(place(connection, block), BLOCK)
          const { sent, answered, durable } = ledgers[connection]!
          const version = bytes.readUInt32BE(8)
          const what = `round ${round}, connection ${connection}, block ${block}: version ${version}`
          assert.ok(version >= durable[block]!, `${what} is older than the promised ${durable[block]!}`)
          assert.ok(version <= sent[block]!, `${what} was never sent`)
          if (version > 0) assert.ok(bytes.equals(stamp(connection, block, version)), `${what} is torn`)
          if (durable[block]! > 0) promises++
          // The next round begins with the present contents.
          answered[block] = durable[block] = version
        }
      }),
    )
    if (round === rounds) break
    const before = versions(ledgers)
    const loads = clients.map((client, connection) =>
      load(client, connection, ledgers).catch(() => undefined),
    )
    while (versions(ledgers) === before) await sleep(5)
    await sleep(200 + Math.random() * 400)
    await server.kill()
    await Promise.all(loads)
  }
  assert.ok(promises >= rounds)
  console.log(`# ${rounds} kills, ${promises} promises of FLUSH and FUA compared with the disk`)
}
