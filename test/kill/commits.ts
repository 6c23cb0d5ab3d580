// Kills a process whose threads commit to a group with a journal, again and again on the same files. The next opening recovers what
// the journal has: then each set has the sum 0, in memory and in the files, and the counter is not before what was
// acknowledged. The page cache survives the process: the crash explorer tests what a power cut leaves.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { assertWhole, countIn, PARTITIONS, readSet, setOf, SETS } from '../stress/commit-sets.js'
import { counterIn, openCommits } from './commit-cache.js'

export interface CommitKills {
  /** The last number that was acknowledged. */
  readonly acknowledged: number
  /** How many times the journal had records that were replayed. */
  readonly recoveries: number
}

/** @throws at the first sum that is wrong, or counter that is too old */
export async function killCommits(
  folder: string,
  rounds: number,
  random: () => number,
): Promise<CommitKills> {
  let [acknowledged, recoveries] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    acknowledged = Math.max(acknowledged, await runAndKill(folder, 1 + 10 * round, random() * 200))
    const cache = await openCommits(folder)
    try {
      if (cache.recovered.length > 0) recoveries++
      for (let set = 0; set < SETS; set++) await readSet(cache, set, false)
      const broken = cache.check()
      if (broken.length > 0) throw new Error(broken.join('; '))
      await cache.close()
    } finally {
      await cache.abandon()
    }
    assertFiles(folder, acknowledged)
  }
  return { acknowledged, recoveries }
}

function assertFiles(folder: string, acknowledged: number): void {
  const contents = { a: readFileSync(join(folder, 'a')), b: readFileSync(join(folder, 'b')) }
  for (let set = 0; set < SETS; set++) {
    const counts = setOf(set).map((place) => {
      const [name, block] = place
      const { blockSize } = PARTITIONS[name]
      return countIn(contents[name].subarray(block * blockSize, (block + 1) * blockSize), place)
    })
    assertWhole('the files', set, counts)
  }
  const counter = counterIn(readFileSync(join(folder, 'counter')))
  if (counter < acknowledged)
    throw new Error(`the counter is ${counter}, and ${acknowledged} was acknowledged`)
}

/** Returns the last number that a process acknowledged which is killed this long after its first. */
async function runAndKill(folder: string, seed: number, afterMs: number): Promise<number> {
  const victim = fileURLToPath(new URL('./commit-victim.js', import.meta.url))
  const child = spawn(process.execPath, [victim, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  let timer: NodeJS.Timeout | undefined
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  const end = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? `code ${code}`)
    })
  })
  if (end !== 'SIGKILL') throw new Error(`the process was not killed but ended: ${end}`)
  return Number(text.split('\n').at(-2))
}
