// The program that is killed: three threads append and commit, two read, and the owner keeps the newest segments and deletes
// the others. It prints a line for each thing that its parent may rely on from then on.

import { attachCache } from 'dcache'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { read } from './reader.mjs'
import { keyOf, recordFor } from './records.mjs'
import { numberOf } from './segment.mjs'
import { openStore } from './store.mjs'
import { openWriter } from './writer.mjs'

const KEPT = 2
const say = (line) => writeSync(1, `${line}\n`)

/** `newest`, which the threads share, is a number near that of the newest record. */
async function own(folder, life) {
  say('start')
  const store = await openStore(folder)
  const newest = new Int32Array(new SharedArrayBuffer(4))

  /** A failure here, and an error of a thread, end the process: nothing is acknowledged any more. */
  async function answer(worker, segment) {
    const last = await store.roll(segment)
    worker.postMessage(last)
    if (last < store.first() + KEPT) return
    const first = last - KEPT + 1
    say(`delete ${first}`)
    await store.deleteBefore(first)
    say(`deleted ${first}`)
  }

  for (const [thread, role] of ['write', 'write', 'write', 'check', 'check'].entries()) {
    const data = { handle: store.cache.handle, role, newest, name: `${life}.${thread}` }
    const worker = new Worker(new URL(import.meta.url), { workerData: data })
    worker.on('message', (segment) => answer(worker, segment))
  }
}

async function write(client, newest, name) {
  const writer = await openWriter(client, async (segment) => {
    parentPort.postMessage(segment)
    return (await once(parentPort, 'message'))[0]
  })
  for (let count = 0; ;) {
    const acknowledged = []
    for (const end = count + 5; count < end; count++) {
      const key = `${name}.${count}`
      const number = await writer.append(recordFor(key))
      acknowledged.push(`${number} ${key}`)
      Atomics.store(newest, 0, number)
    }
    await writer.commit()
    say(`records ${acknowledged.join(' ')}`)
  }
}

/** Reads records of the last segments, also such as are deleted at that moment. */
async function check(client, newest) {
  for (let count = 1; ; count++) {
    if (count % 100 === 0) await sleep(1)
    const number = Atomics.load(newest, 0) - Math.floor(Math.random() * numberOf(KEPT + 1, 0))
    const record = number < 0 ? undefined : await read(client, number)
    if (record !== undefined && !record.equals(recordFor(keyOf(record))))
      throw new Error(`record ${number} is not as it was appended`)
  }
}

if (isMainThread) await own(...process.argv.slice(2))
else {
  const { handle, role, newest, name } = workerData
  const client = attachCache(handle, { name })
  if (role === 'write') await write(client, newest, name)
  else await check(client, newest)
}
