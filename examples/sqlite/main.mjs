// node main.mjs fill FOLDER [THREADS] [SECONDS]   inserts rows, and prints what is durable; without SECONDS until it is killed
// node main.mjs verify FOLDER [FILE]              checks all; FILE has what runs of fill have printed

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { connect, openDatabase } from './database.mjs'
import { checkAll, checkCounts, insertRows, SCHEMA } from './rows.mjs'

/** Runs the threads to their ends. An error of one of them is the program's. */
async function runThreads(folder, tasks) {
  const { cache, access } = await openDatabase(folder)
  try {
    // An error of a thread, which may have a lock, ends the process: see lock.mjs.
    await Promise.all(
      tasks.map((task) =>
        once(new Worker(new URL(import.meta.url), { workerData: { access, ...task } }), 'exit'),
      ),
    )
  } finally {
    await cache.close()
  }
}

async function fill(folder, threads = 4, seconds = Infinity) {
  await runThreads(folder, [{ role: 'create' }])
  const run = randomBytes(4).toString('hex')
  const tasks = Array.from({ length: Number(threads) }, (_, i) => ({
    role: 'insert',
    writer: `${run}.${i}`,
    seconds: Number(seconds),
  }))
  await runThreads(folder, tasks)
}

/** How many rows of each writer are acknowledged. A killed process may have printed a part of its last line. */
function acknowledgedIn(file) {
  const lines = file === undefined ? [] : readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return new Map(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]))
}

const verify = (folder, file) => runThreads(folder, [{ role: 'verify', acknowledged: acknowledgedIn(file) }])

function insert({ db, transaction }, { writer, seconds }) {
  const end = Date.now() + seconds * 1000
  for (let [number, transactions] = [0, 0]; Date.now() < end; transactions++) {
    const count = 1 + (transactions % 8)
    transaction(() => insertRows(db, writer, number, count))
    number += count
    writeSync(1, `${writer} ${number}\n`)
    if (transactions % 10 === 0) checkCounts(db)
  }
}

function work() {
  const connection = connect(workerData.access, workerData.role)
  const { db } = connection
  if (workerData.role === 'create') connection.transaction(() => db.exec(SCHEMA))
  else if (workerData.role === 'insert') insert(connection, workerData)
  else console.log(`${checkAll(db, workerData.acknowledged)} rows, all acknowledged ones among them`)
  connection.close()
}

if (!isMainThread) work()
else if (process.argv[2] === 'fill') await fill(...process.argv.slice(3))
else if (process.argv[2] === 'verify') await verify(...process.argv.slice(3))
else throw new Error('usage: node main.mjs fill FOLDER [THREADS] [SECONDS] | verify FOLDER [FILE]')
