// Kills the program at random moments, and after each time verifies what it has left: node crash-test.mjs [KILLS]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LINES_MAX = 100
const program = fileURLToPath(new URL('main.mjs', import.meta.url))

function start(args) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  child.stdout.setEncoding('utf8')
  return { child, closed: once(child, 'close') }
}

/** Keeps what the program prints in a file. Kills it up to 10 ms after a random line, or at any moment of its first second. */
async function fillAndKill(store, file) {
  const { child, closed } = start(['fill', store])
  const kill = () => child.kill('SIGKILL')
  let linesLeft = Math.random() * LINES_MAX
  if (Math.random() < 0.2) setTimeout(kill, Math.random() * 1000)
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
    linesLeft -= text.split('\n').length - 1
    if (linesLeft < 0) setTimeout(kill, Math.random() * 10)
  })
  const [, signal] = await closed
  if (signal !== 'SIGKILL') throw new Error('the program ended before it was killed')
  appendFileSync(file, output.slice(0, output.lastIndexOf('\n') + 1))
}

/** In a process of its own, as a user would. Returns what it prints. */
async function verify(store, file) {
  const { child, closed } = start(['verify', store, file])
  let output = ''
  child.stdout.on('data', (text) => (output += text))
  const [code] = await closed
  if (code !== 0) throw new Error('something is not as it was acknowledged')
  return output.trim()
}

async function main(kills) {
  const folder = await mkdtemp(join(tmpdir(), 'dcache-sqlite-'))
  try {
    const [store, file] = [join(folder, 'store'), join(folder, 'acknowledged')]
    writeFileSync(file, '')
    let outcome
    for (let i = 0; i < kills; i++) {
      await fillAndKill(store, file)
      outcome = await verify(store, file)
    }
    console.log(`${kills} kills: ${outcome}`)
  } finally {
    await rm(folder, { recursive: true })
  }
}

await main(Number(process.argv[2] ?? 10))
