// One writer per file on systems without abstract Unix sockets: the lock file. The processes here believe that they run on
// another system.

import { once } from 'node:events'
import { linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pid } from 'node:process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeBlocks } from '../support/open.js'
import { runProgram, startProgram, type Program } from '../support/program.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const locks = suite('lock files')

const ELSEWHERE = `
  import { syncBuiltinESMExports } from 'node:module'
  Object.defineProperty(process, 'platform', { value: 'darwin' })
  syncBuiltinESMExports()`
const flags = ['--import', `data:text/javascript,${encodeURIComponent(ELSEWHERE)}`]

/** Prints what became of opening the file, and keeps it open until the process is killed or `close` is written to it. */
const OPENS = `
  const open = (path = 'data') => openCache({ memory: '64KiB', partitions: { data: { path, blockSize: 4096 } } })
  const outcome = (path) => open(path).then(() => 'opened', (error) => error.code + ' ' + error.message)`
const HOLDS = `${OPENS}
  console.log(await outcome())
  setInterval(() => {}, 1000)`

function withFile(): TempFolder {
  const folder = tempFolder()
  writeBlocks(join(folder.path, 'data'), 8, 4096)
  return folder
}

const lockIn = ({ path }: TempFolder): string =>
  readdirSync(path).find((name) => /^\.dcache-.*\.lock$/.test(name)) ?? 'none'

/** What a program prints first. */
async function said({ child }: Program): Promise<string> {
  const [data] = (await once(child.stdout!, 'data')) as [Buffer]
  return data.toString().trim()
}

const end = async ({ child, ended }: Program): Promise<void> => {
  child.kill('SIGKILL')
  await ended
}

locks('a file is open once, by any name in its folder, and closing removes the lock', async () => {
  using folder = withFile()
  linkSync(join(folder.path, 'data'), join(folder.path, 'same'))
  const program = `
    ${OPENS}
    const cache = await open()
    console.log(await outcome())
    console.log(await outcome('same'))
    await cache.close()
    await (await open()).close()`
  const { out, err, how } = await runProgram(folder, program, { flags })
  assert.is(how, 0, err)
  const [again = '', same = ''] = out.split('\n')
  assert.match(again, /^ERR_DCACHE_IN_USE .*process \d+ has the lock .*\.lock;/)
  assert.match(same, /^ERR_DCACHE_IN_USE /)
  assert.is(lockIn(folder), 'none')
})

locks('the lock of a killed process is taken over', async () => {
  using folder = withFile()
  const first = startProgram(folder, HOLDS, { flags, name: 'first.mjs' })
  assert.is(await said(first), 'opened')
  const second = startProgram(folder, HOLDS, { flags, name: 'second.mjs' })
  assert.match(await said(second), /^ERR_DCACHE_IN_USE /)
  await end(second)
  await end(first)
  assert.is(readFileSync(join(folder.path, lockIn(folder)), 'utf8'), String(first.child.pid))
  const third = startProgram(folder, HOLDS, { flags, name: 'third.mjs' })
  assert.is(await said(third), 'opened')
  await end(third)
})

locks('of processes that find the lock of a dead one at the same moment, one has the file', async () => {
  using folder = withFile()
  const first = startProgram(folder, HOLDS, { flags, name: 'first.mjs' })
  await said(first)
  await end(first)
  const others = [1, 2, 3, 4].map((i) => startProgram(folder, HOLDS, { flags, name: `${i}.mjs` }))
  const answers = await Promise.all(others.map(said))
  assert.is(answers.filter((answer) => answer === 'opened').length, 1, answers.join('\n'))
  for (const other of others) await end(other)
})

locks('a lock that is being made, or whose taking over was cut off, is left alone', async () => {
  using folder = withFile()
  const first = startProgram(folder, HOLDS, { flags, name: 'first.mjs' })
  await said(first)
  await end(first)
  const lock = join(folder.path, lockIn(folder))
  writeFileSync(`${lock}.taking`, String(pid))
  const refused = (answer: string) => answer.startsWith('ERR_DCACHE_IN_USE') && answer.includes(lock)
  const program = `${OPENS}
    console.log(await outcome())`
  const { out } = await runProgram(folder, program, { flags })
  assert.ok(refused(out) && out.includes(`${lock}.taking`), out)
  writeFileSync(lock, '')
  const empty = await runProgram(folder, program, { flags })
  assert.ok(refused(empty.out), empty.out)
})

locks.run()
