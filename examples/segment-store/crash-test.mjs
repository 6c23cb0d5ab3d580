// Kills a program that works on a store, at random moments, and compares the store with what the program had acknowledged.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { read } from './reader.mjs'
import { recordFor } from './records.mjs'
import { segmentIn, segmentOf } from './segment.mjs'
import { openStore } from './store.mjs'

const LINES_MAX = 100

/** What the program has said: the keys of records by number, and before which segment all are deleted, or may be. */
const said = { records: new Map(), deleted: 0, maybeDeleted: 0, acknowledged: 0 }

function note(line) {
  const [what, ...words] = line.split(' ')
  if (what === 'delete') said.maybeDeleted = Number(words[0])
  if (what === 'deleted') said.deleted = Number(words[0])
  if (what !== 'records') return
  for (let i = 0; i < words.length; i += 2) said.records.set(Number(words[i]), words[i + 1])
  said.acknowledged += words.length / 2
}

/** Kills the program up to 10 ms after a random line of its output. The first line comes before it opens the store. */
async function liveAndDie(folder, life) {
  const program = fileURLToPath(new URL('program.mjs', import.meta.url))
  const child = spawn(process.execPath, [program, folder, life], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  let linesLeft = Math.floor(Math.random() * LINES_MAX)
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    lines.forEach(note)
    if (linesLeft >= 0 && (linesLeft -= lines.length) < 0)
      setTimeout(() => child.kill('SIGKILL'), Math.random() * 10)
  })
  const [, signal] = await closed
  if (signal !== 'SIGKILL') throw new Error('the program ended before it was killed')
}

/** Opens the store as a program that starts again does, and compares it with what was said. */
async function verify(folder) {
  const store = await openStore(folder)
  try {
    if (store.freed > 0) throw new Error(`${store.freed} entries of the index had no record`)
    if (store.first() < said.deleted) throw new Error(`segment ${store.first()} is there again`)
    for (const [number, key] of said.records) {
      const record = await read(store.cache, number)
      const isGone = record === undefined && segmentOf(number) < said.maybeDeleted
      if (!isGone && !record?.equals(recordFor(key)))
        throw new Error(`record ${number}, acknowledged as ${key}, is not there`)
      if (isGone) said.records.delete(number)
    }
    const files = (await readdir(folder)).filter((name) => segmentIn(name) !== undefined)
    if (files.length !== store.last() - store.first() + 1)
      throw new Error(`there are other files: ${files.join(', ')}`)
    return store.first()
  } finally {
    await store.close()
  }
}

async function main(kills) {
  const folder = await mkdtemp(join(tmpdir(), 'dcache-segment-store-'))
  try {
    let deleted = 0
    for (let life = 1; life <= kills; life++) {
      await liveAndDie(folder, life)
      // Not always, so that the program also finds what a killed program has left.
      if (life === kills || Math.random() < 0.5) deleted = await verify(folder)
    }
    console.log(
      `${kills} kills: ${said.acknowledged} records acknowledged, ${deleted} segments deleted, all as acknowledged`,
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

await main(Number(process.argv[2] ?? 10))
