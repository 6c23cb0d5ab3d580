// @deadline 240
// Limits on each client, so that it leaves turns, places and time for the others. Also what each client may expect: its
// replies after it has closed its sending side, and patience with a slow but steady reader.

import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { Lobby } from '#dist/nbd/lobby.js'
import { Places, placeWords } from '#dist/nbd/places.js'
import { Turns } from '#dist/nbd/turns.js'
import { withEngine } from '../support/engine.js'
import { tempFolder } from '../support/temp.js'
import { talk } from './in-memory.js'
import { Server } from './server.js'
import { opening, requestBytes, WireClient } from './wire-client.js'
import { onlyNormal } from '../support/size.js'

const BLOCK = 4096
const BLOCKS = 4096

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('one full slice begins in each turn, in turn for all lanes, and none in a closed lane', async () => {
  const turns = new Turns()
  const begun: string[] = []
  const lanes = ['a', 'b', 'c'].map((name) => ({ name, lane: turns.lane() }))
  const ends: Promise<void>[] = []
  for (const { name, lane } of lanes) {
    const count = name === 'a' ? 100 : 3
    for (let i = 0; i < count; i++) ends.push(lane.run(() => void begun.push(name), 1))
  }
  const settled = Promise.allSettled(ends)
  for (let i = 1; i <= 9; i++) {
    await turn()
    assert.ok(begun.length <= i, 'one in each turn')
  }
  while (begun.length < 12) await turn()
  assert.is(begun.slice(0, 9).filter((name) => name !== 'a').length, 6, begun.join(''))
  lanes[0]!.lane.close(new Error('gone'))
  const count = begun.length
  await settled
  assert.is(begun.length, count)
})

test('the number of slices under way is limited, for each lane and for all', async () => {
  const turns = new Turns()
  let running = 0
  let most = 0
  const release: (() => void)[] = []
  const work = () => {
    most = Math.max(most, ++running)
    return new Promise<void>((resolve) => release.push(resolve)).then(() => {
      running--
    })
  }
  const first = turns.lane()
  const all = Array.from({ length: 20 }, () => first.run(work, 1))
  for (let i = 0; i < 50; i++) await turn()
  assert.is(most, 4)
  for (const lane of Array.from({ length: 10 }, () => turns.lane()))
    for (let i = 0; i < 4; i++) all.push(lane.run(work, 0.001))
  for (let i = 0; i < 100; i++) await turn()
  assert.is(most, 16)
  let isDone = false
  const done = Promise.all(all).then(() => (isDone = true))
  while (!isDone) {
    for (const resolve of release.splice(0)) resolve()
    await turn()
  }
  await done
})

test('places are limited, and those of a thread that has ended become free', () => {
  const words = placeWords(2)
  const [one, two] = [0, 1].map((thread) => new Places(words, thread, 3))
  assert.equal([one!.take(), two!.take(), one!.take(), two!.take()], [true, true, true, false])
  assert.ok(two!.areTaken)
  one!.releaseAll()
  assert.equal([two!.take(), two!.take(), one!.take()], [true, true, false])
  two!.release()
  assert.not(one!.areTaken)
})

const engine = (body: Parameters<typeof withEngine>[1]) =>
  withEngine({ blocks: 256, partitions: { disk: { blockSize: BLOCK, blocks: BLOCKS } } }, body)

test("20,000 trims of a whole disk do not delay another client's read, and end with their connection", () =>
  engine(async (cache) => {
    const turns = new Turns()
    const bulk = talk(cache, ['disk'], 'none', turns)
    const neighbour = talk(cache, ['disk'], 'none', turns)
    bulk.session.receive(opening('disk', false))
    neighbour.session.receive(opening('disk', false))
    await cache.partition('disk').read(new Uint8Array(1), 0)
    const trims = Array.from({ length: 20_000 }, (_, i) =>
      requestBytes(i % 2 === 0 ? nbd.NBD_CMD_TRIM : nbd.NBD_CMD_WRITE_ZEROES, i, BLOCK, (BLOCKS - 1) * BLOCK),
    )
    bulk.session.receive(Buffer.concat(trims))
    assert.ok(bulk.session.isHeld, 'the rest waits in the stream')
    const before = neighbour.said().length
    neighbour.session.receive(requestBytes(nbd.NBD_CMD_READ, 1, 0, BLOCK))
    let waited = 0
    for (; neighbour.said().length === before && waited < 1000; waited++) await turn()
    assert.ok(waited < 100, `${waited} turns`)
    bulk.session.abandon()
    let left = 0
    for (; !bulk.session.isIdle && left < 5000; left++) await turn()
    assert.ok(bulk.session.isIdle, 'the server does no more work for it')
  }))

test('a connection has few requests under way that wait for the disk, and all are answered', () =>
  engine(async (cache) => {
    const flush = (i: number) => requestBytes(nbd.NBD_CMD_FLUSH, i, 0, 0)
    const durableWrite = (i: number) =>
      requestBytes(nbd.NBD_CMD_WRITE, i, i * 8, 8, nbd.NBD_CMD_FLAG_FUA, Buffer.alloc(8, i))
    for (const request of [flush, durableWrite]) {
      const client = talk(cache, ['disk'])
      client.session.receive(opening('disk', false))
      const before = client.said().length
      client.session.receive(Buffer.concat(Array.from({ length: 1000 }, (_, i) => request(i))))
      const { flushes, writes } = client.session.traffic!
      assert.is(flushes + writes, 64)
      assert.ok(client.session.isHeld, 'the rest waits in the stream')
      await client.settle()
      assert.is(client.said().length - before, 1000 * 16)
    }
  }))

function place() {
  const folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(BLOCK * BLOCKS))
  const path = join(folder.path, 'socket')
  return { folder, path, args: ['--export', `disk=${disk}`, '--unix', path, '--memory', '32MiB'] }
}

onlyNormal(test, 'a client that closes its sending side gets all its replies, then the end', async () => {
  const { folder, path, args } = place()
  using _ = folder
  await using server = await Server.start(args)
  const socket = connect({ path, allowHalfOpen: true })
  let received = 0
  socket.on('data', (chunk) => (received += chunk.length))
  const requests = Array.from({ length: 50 }, (_, i) =>
    requestBytes(nbd.NBD_CMD_READ, i, i * 8 * BLOCK, 8 * BLOCK),
  )
  socket.end(Buffer.concat([opening('disk', false), ...requests, requestBytes(nbd.NBD_CMD_FLUSH, 99, 0, 0)]))
  await new Promise((resolve) => socket.once('end', resolve))
  assert.ok(received > 50 * (16 + 8 * BLOCK) + 16, String(received))
  assert.is((await server.said('closed'))['reason'], null)
})

test('in a full lobby a new guest takes the place of the oldest', () => {
  const lobby = new Lobby(3)
  const dropped: number[] = []
  const guests = Array.from({ length: 8 }, (_, i) => ({ drop: () => void dropped.push(i) }))
  for (const guest of guests.slice(0, 4)) lobby.enter(guest)
  assert.equal(dropped, [0])
  lobby.left(guests[2]!)
  lobby.left(guests[0]!)
  lobby.enter(guests[4]!)
  assert.equal(dropped, [0])
  for (const guest of guests.slice(5)) lobby.enter(guest)
  assert.equal(dropped, [0, 1, 3, 4])
})

onlyNormal(
  test,
  'connections without an export block no client, and a failed connection is not kept alive by its bytes',
  async () => {
    const { folder, path, args } = place()
    using _ = folder
    await using server = await Server.start([...args, '--connections', '4', '--handshake-timeout', '3600'])
    const clients: WireClient[] = []
    const drip = setInterval(() => {
      for (const { socket } of clients) if (socket.writable) socket.write('x')
    }, 100)
    try {
      for (let i = 0; i < 400; i++) {
        const client = new WireClient({ path })
        clients.push(client)
        if (i % 2 === 0) client.socket.write('X'.repeat(16))
      }
      const failed = clients.filter((_, i) => i % 2 === 0)
      for (let i = 0; i < 4; i++) {
        const client = await WireClient.open({ path }, 'disk')
        clients.push(client)
        await client.read(0, 1)
      }
      await Promise.all(failed.map(({ closed }) => closed))
    } finally {
      clearInterval(drip)
      for (const client of clients) client[Symbol.dispose]()
    }
    assert.is((await server.stop()).code, 0)
  },
)

test.run()
