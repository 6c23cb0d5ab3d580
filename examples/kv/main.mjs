// node main.mjs fill FOLDER [THREADS] [SECONDS]   writes batches, prints what is durable; without SECONDS until it is killed
// node main.mjs verify FOLDER [FILE]              checks all; FILE has what all runs of fill have printed

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { checkAll, checkShared, writeBatch } from './batches.mjs'
import { checkTree } from './check.mjs'
import { attachStore, openStore } from './store.mjs'

/** Runs the threads to their ends. An error of one of them ends the process. */
async function runThreads(folder, tasks) {
  const cache = await openStore(folder)
  const start = (task) =>
    new Worker(new URL(import.meta.url), { workerData: { handle: cache.handle, ...task } })
  await Promise.all(tasks.map((task) => once(start(task), 'exit')))
  await cache.close()
}

async function fill(folder, threads = 4, seconds = Infinity) {
  const run = randomBytes(4).toString('hex')
  const tasks = Array.from({ length: Number(threads) }, (_, i) => ({
    role: 'fill',
    writer: `${run}.${i}`,
    seconds: Number(seconds),
  }))
  await runThreads(folder, tasks)
}

/** The last acknowledged batch of each writer. A killed process may have printed a part of its last line. */
function acknowledgedIn(file) {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return new Map(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]))
}

const verify = (folder, file) =>
  runThreads(folder, [{ role: 'verify', acknowledged: file && acknowledgedIn(file) }])

function work({ handle, role, writer, seconds, acknowledged }) {
  const store = attachStore(handle, role)
  if (role === 'verify') {
    const { found, pages } = checkTree(store)
    const count = checkAll(found, acknowledged)
    console.log(`${found.length} keys in ${pages} pages, ${count} of them acknowledged`)
  } else {
    const end = Date.now() + seconds * 1000
    for (let batch = 1; Date.now() < end; batch++) {
      writeBatch(store, writer, batch)
      writeSync(1, `${writer} ${batch}\n`)
      checkShared(store, batch + 1)
    }
  }
  store.detach()
}

if (!isMainThread) work(workerData)
else if (process.argv[2] === 'fill') await fill(...process.argv.slice(3))
else if (process.argv[2] === 'verify') await verify(...process.argv.slice(3))
else throw new Error('usage: node main.mjs fill FOLDER [THREADS] [SECONDS] | verify FOLDER [FILE]')
