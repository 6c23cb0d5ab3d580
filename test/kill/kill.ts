// Kills a working process at random moments, repeatedly on the same files, and verifies them from outside. The page cache
// survives the process, so this tests acknowledgement and order. The crash explorer tests fsync.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DATA_BLOCK, DIRECTORY_BLOCK, LANES, lastChange, SECTOR, WORKERS } from './layout.js'

/** The changes of each life begin after a multiple of this. */
const LIFE = 1_000_000

export interface Kills {
  readonly lives: number
  /** The number of flushes that were reported before their process was killed. */
  readonly acknowledged: number
}

/** Runs and kills `lives` processes. @throws at the first wrong file */
export async function killAgainAndAgain(folder: string, lives: number, random: () => number): Promise<Kills> {
  let acknowledged = 0
  for (let life = 0; life < lives; life++) {
    const base = life * LIFE
    const reports = await liveAndDie(folder, base, 20 + random() * 180)
    acknowledged += reports.length
    verify(folder, base, newest(reports))
  }
  return { lives, acknowledged }
}

/** The output lines of a process that is killed this long after its first report. */
async function liveAndDie(folder: string, base: number, afterMs: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./victim.js', import.meta.url)), folder, String(base)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  const end = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? `code ${code}`))
  })
  if (end !== 'SIGKILL') throw new Error(`the process was not killed but ended: ${end}`)
  return text.split('\n').slice(0, -1)
}

/** The last acknowledged change of each worker. */
function newest(reports: readonly string[]): number[] {
  const last = new Array<number>(WORKERS).fill(0)
  for (const [worker, change] of reports.map((line) => line.split(' ').map(Number))) last[worker!] = change!
  return last
}

function verify(folder: string, base: number, acknowledged: readonly number[]): void {
  const data = readFileSync(join(folder, 'data'))
  const directory = readFileSync(join(folder, 'directory'))
  for (let worker = 0; worker < WORKERS; worker++) {
    const said = stamps(directory, worker, DIRECTORY_BLOCK)
    if (said.least < acknowledged[worker]!) {
      throw new Error(
        `worker ${worker}: change ${acknowledged[worker]!} was acknowledged, the directory is at ${said.least}`,
      )
    }
    for (let lane = 0; lane < LANES; lane++) {
      const { least } = stamps(data, worker * LANES + lane, DATA_BLOCK)
      const needed = lastChange(lane, base, said.most)
      if (least < needed) {
        throw new Error(
          `worker ${worker}: the directory is at ${said.most}, lane ${lane} needs ${needed} and is at ${least}`,
        )
      }
    }
  }
}

/** The oldest and the newest stamp in a block: a kill may tear a write between two pages. */
function stamps(file: Buffer, block: number, blockSize: number): { least: number; most: number } {
  const found: number[] = []
  for (let at = 0; at < blockSize; at += SECTOR) found.push(file.readUInt32LE(block * blockSize + at))
  return { least: Math.min(...found), most: Math.max(...found) }
}
