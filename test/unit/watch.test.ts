// test/watch.mjs, in a project of three small files: it builds and tests at the start and after a change.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const PATIENCE_MS = 60_000

/** A project whose scripts only print that they ran. */
function project(): TempFolder {
  const folder = tempFolder()
  folder.write('src/file.ts', '')
  folder.write('build.mjs', "console.log('built')")
  folder.write('test/run.mjs', "console.log('tested', ...process.argv.slice(2))")
  return folder
}

function startIn({ path }: TempFolder, ...args: string[]) {
  const child = spawn(process.execPath, [join(projectRoot, 'test/watch.mjs'), ...args], { cwd: path })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  const until = async (text: string) => {
    const endMs = performance.now() + PATIENCE_MS
    while (!output.includes(text)) {
      assert.ok(performance.now() < endMs, `waited in vain for ${text}:\n${output}`)
      await sleep(20)
    }
    output = output.slice(output.indexOf(text) + text.length)
  }
  return { child, closed, until }
}

const ROUND = 'built\ntested unit/slot\nwaiting for a change\n'

test('it builds and tests at the start and after each change, and ends with SIGTERM', async () => {
  using folder = project()
  const { child, closed, until } = startIn(folder, 'unit/slot')
  try {
    await until(ROUND)
    folder.write('src/file.ts', 'changed')
    await until(ROUND)
    child.kill('SIGTERM')
    assert.is(await closed, 0)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a failed build runs no test', async () => {
  using folder = project()
  folder.write('build.mjs', "console.log('failed'); process.exitCode = 1")
  const { child, until } = startIn(folder, 'unit/slot')
  try {
    await until('failed\nwaiting for a change\n')
  } finally {
    child.kill('SIGKILL')
  }
})

test('a change ends a run that is under way', async () => {
  using folder = project()
  folder.write('test/run.mjs', "console.log('began'); setInterval(() => {}, 1000)")
  const { child, closed, until } = startIn(folder, 'unit/slot')
  try {
    await until('began\n')
    folder.write('test/run.mjs', "console.log('second run')")
    await until('built\nsecond run\nwaiting for a change\n')
  } finally {
    child.kill('SIGTERM')
    await closed
  }
})

test('it needs to be told which tests', async () => {
  using folder = project()
  const { closed, until } = startIn(folder)
  await until('usage: npm run test:watch')
  assert.is(await closed, 2)
})

test.run()
