// @deadline 60
// Exports that change under a session: a client is told the size of the moment at which it opens the export, keeps to it, and
// gets the protocol's error for what is not there any more.

import type { BlockCache } from 'dcache'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { type EngineFiles, withEngine } from '../support/engine.js'
import { talk, type Talk } from './in-memory.js'
import { clientFlags, goData, optionBytes, requestBytes } from './wire-client.js'

const BLOCK = 4096
const BLOCKS = 16
const DATA = Buffer.alloc(BLOCK, 7)
const SIMPLE_BYTES = 16
/** Greeting, and the head of the first reply to GO with the type of its information. */
const SIZE_AT = 18 + 20 + 2

const engine = (body: (cache: BlockCache, files: EngineFiles) => Promise<void>) =>
  withEngine({ blocks: 64, partitions: { disk: { blockSize: BLOCK, blocks: BLOCKS } } }, body)

/** A client that has opened the export. */
function opened(cache: BlockCache): {
  one: Talk
  size: number
  ask: (...request: Buffer[]) => Promise<number[]>
} {
  const one = talk(cache, ['disk'])
  one.session.receive(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_GO, goData('disk'))]))
  const size = Number(one.said().readBigUInt64BE(SIZE_AT))
  /** Errors of requests that get no data. */
  const ask = async (...requests: Buffer[]) => {
    const from = one.said().length
    one.session.receive(Buffer.concat(requests))
    await one.settle()
    const said = one.said().subarray(from)
    assert.is(said.length, requests.length * SIMPLE_BYTES)
    const errors = new Map(
      requests.map((_, i) => [
        said.readBigUInt64BE(i * SIMPLE_BYTES + 8),
        said.readUInt32BE(i * SIMPLE_BYTES + 4),
      ]),
    )
    return requests.map((request) => errors.get(request.readBigUInt64BE(8))!)
  }
  return { one, size, ask }
}

test('a client that connected before the export grew keeps to its size, a new one sees the new size', () =>
  engine(async (cache) => {
    const early = opened(cache)
    await cache.partition('disk').resize(2 * BLOCKS)
    const late = opened(cache)
    assert.equal([early.size, late.size], [BLOCKS * BLOCK, 2 * BLOCKS * BLOCK])
    const beyond = BLOCKS * BLOCK
    const write = requestBytes(nbd.NBD_CMD_WRITE, 1, beyond, BLOCK, 0, DATA)
    const trim = requestBytes(nbd.NBD_CMD_TRIM, 2, beyond, BLOCK)
    assert.equal(await early.ask(write, trim), [nbd.NBD_ENOSPC, nbd.NBD_EINVAL])
    assert.equal(await late.ask(write, trim), [0, 0])
  }))

test('after an export has shrunk, its clients get ENOSPC and EINVAL beyond its end, and the rest as before', () =>
  engine(async (cache) => {
    const { ask } = opened(cache)
    const end = (BLOCKS / 2) * BLOCK
    await cache.partition('disk').resize(BLOCKS / 2)
    const errors = await ask(
      requestBytes(nbd.NBD_CMD_WRITE, 1, end - BLOCK, BLOCK, nbd.NBD_CMD_FLAG_FUA, DATA),
      requestBytes(nbd.NBD_CMD_WRITE, 2, end - 1, 2, 0, Buffer.alloc(2)),
      requestBytes(nbd.NBD_CMD_WRITE_ZEROES, 3, end, BLOCK),
      requestBytes(nbd.NBD_CMD_READ, 4, end, BLOCK),
      requestBytes(nbd.NBD_CMD_CACHE, 5, end, BLOCK),
      requestBytes(nbd.NBD_CMD_FLUSH, 6, 0, 0),
    )
    assert.equal(errors, [0, nbd.NBD_ENOSPC, nbd.NBD_ENOSPC, nbd.NBD_EINVAL, nbd.NBD_EINVAL, 0])
  }))

test('clients of a partition that was dropped get ESHUTDOWN, also when another has its name', () =>
  engine(async (cache, { folder }) => {
    const early = opened(cache)
    const write = requestBytes(nbd.NBD_CMD_WRITE, 1, 0, BLOCK, 0, DATA)
    await cache.dropPartition('disk')
    assert.equal(await early.ask(write), [nbd.NBD_ESHUTDOWN])
    const none = talk(cache, ['disk'])
    none.session.receive(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_GO, goData('disk'))]))
    assert.match(none.said().toString('latin1'), 'no export has this name')
    await cache.addPartition('disk', { path: join(folder, 'second.img'), blockSize: BLOCK, size: BLOCK })
    const late = opened(cache)
    assert.is(late.size, BLOCK)
    assert.equal(await early.ask(write), [nbd.NBD_ESHUTDOWN])
    assert.equal(await late.ask(write), [0])
  }))

test.run()
