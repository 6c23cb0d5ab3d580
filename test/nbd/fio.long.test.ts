// @deadline 300
// fio for a minute: random writes with crc32c on two exports, over TCP and a Unix socket, with four connections each.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs } from '../support/left-out.js'
import { tempFolder } from '../support/temp.js'
import { fioVerify, unixUri } from './fio.js'
import { Server } from './server.js'

const MIB = 2 ** 20

test('fio verifies all its writes of 60 s, over TCP and a Unix socket at the same time', async () => {
  if (!canRun("fio's nbd engine", programs('fio'))) return
  using folder = tempFolder()
  const file = (name: string, bytes: number) => {
    const path = join(folder.path, name)
    writeFileSync(path, Buffer.alloc(bytes))
    return path
  }
  const socket = join(folder.path, 'socket')
  await using server = await Server.start([
    '--export', `a=${file('a.img', 256 * MIB)}`, '--export', `b=${file('b.img', 128 * MIB)}:8192`,
    '--unix', socket, '--port', '0', '--threads', '2', '--memory', '64MiB',
  ]) // prettier-ignore
  const port = /port (\d+)/.exec(server.log.find(({ event }) => event === 'ready')!.message)![1]!
  const load = { seconds: 60, connections: 4, folder: folder.path }
  const runs = await Promise.all([
    fioVerify(`nbd://127.0.0.1:${port}/a`, { ...load, bytes: 256 * MIB, name: 'tcp' }),
    fioVerify(unixUri(socket, 'b'), { ...load, bytes: 128 * MIB, name: 'unix' }),
  ])
  for (const { errors, verified, output } of runs) {
    assert.is(errors, 0, output)
    assert.ok(verified > 1000)
  }
  console.log(`# fio wrote and verified ${runs[0].verified + runs[1].verified} blocks`)
  assert.equal((await server.stop()).code, 0)
})

test.run()
