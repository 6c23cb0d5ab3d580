// Kills a process that appends to a log, at random moments, and verifies the log after each kill.

import { openLog } from './log.mjs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Each record has bytes and a length of its own, so that a record in the wrong place is noticed. */
const recordOf = (number) => Buffer.from(`record ${number};`.repeat(1 + (number % 200)))

/** The process that is killed. It prints how many records it has when these are durable. */
async function write(folder) {
  const log = await openLog(folder)
  for (;;) {
    for (let i = 0; i < 5; i++) await log.append(recordOf(log.count()))
    await log.commit()
    writeSync(1, `${log.count()}\n`)
  }
}

/** Kills a writer some time after 1 to 20 commits. Returns how many records it has acknowledged. */
async function killWriter(folder) {
  const writer = spawn(process.execPath, [fileURLToPath(import.meta.url), '--write', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(writer, 'close')
  const commits = 1 + Math.floor(Math.random() * 20)
  let output = ''
  writer.stdout.setEncoding('utf8').on('data', async (text) => {
    output += text
    if (output.split('\n').length <= commits) return
    await sleep(Math.random() * 10)
    writer.kill('SIGKILL')
  })
  const [, signal] = await closed
  if (signal !== 'SIGKILL') throw new Error('the writer ended before it was killed')
  return Number(output.split('\n').at(-2))
}

/** Opens the log as a program that starts again does, and reads every record. Returns how many there are. */
async function verify(folder, acknowledged) {
  const log = await openLog(folder)
  try {
    const count = log.count()
    if (count < acknowledged) throw new Error(`${acknowledged} records were acknowledged, ${count} are there`)
    for (let number = 0; number < count; number++)
      if (!recordOf(number).equals(await log.read(number))) throw new Error(`record ${number} is another one`)
    return count
  } finally {
    await log.close()
  }
}

async function main(kills) {
  const folder = await mkdtemp(join(tmpdir(), 'dcache-append-log-'))
  try {
    let [acknowledged, count] = [0, 0]
    for (let i = 0; i < kills; i++) {
      acknowledged = await killWriter(folder)
      count = await verify(folder, acknowledged)
    }
    console.log(`${kills} kills: ${acknowledged} records acknowledged, ${count} in the log, all whole`)
  } finally {
    await rm(folder, { recursive: true })
  }
}

if (process.argv[2] === '--write') await write(process.argv[3])
else await main(Number(process.argv[2] ?? 10))
