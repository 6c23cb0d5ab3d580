// Environments in which no cache can run: openCache rejects with a CacheError that names what is missing, and leaves no file.

import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCache } from 'dcache'
import { refusal } from '../support/open.js'
import { projectRoot } from '../support/project.js'
import { packageUrl, runProgram } from '../support/program.js'
import { tempFolder } from '../support/temp.js'

const REPORT = `
  const open = (partition) => openCache({ memory: '1MiB', partitions: { data: { blockSize: 4096, ...partition } } })
  const report = (opening) =>
    opening
      .then((cache) => cache.close())
      .then(() => 'works', (error) => (error instanceof CacheError ? error.code + ' ' : 'foreign ') + error.message)`

const major = Number(process.versions.node.split('.')[0])
const PERMISSION = major >= 23 ? '--permission' : '--experimental-permission'
const ALL_FILES = [PERMISSION, '--allow-fs-read=*', '--allow-fs-write=*', '--no-warnings']

test('under the permission model an error names the missing permission before a file is created', async () => {
  using folder = tempFolder()
  writeFileSync(join(folder.path, 'there'), new Uint8Array(65536))
  const text = `${REPORT}
    console.log(await report(open({ path: 'new', size: 65536 })))
    console.log(await report(open({ path: 'there', readOnly: true })))`
  const flags = [...ALL_FILES, '--allow-worker']
  const { out, err } = await runProgram(folder, text, { flags })
  const [writing, reading] = out.split('\n')
  assert.match(writing ?? '', /^(works|ERR_DCACHE_UNSUPPORTED .*permission.*fsync)/, err)
  assert.is(reading, 'works', err)
  if (writing !== 'works') assert.not(existsSync(join(folder.path, 'new')))
  const without = await runProgram(folder, text, { flags: ALL_FILES })
  assert.match(without.out, /^ERR_DCACHE_UNSUPPORTED .*--allow-worker/)
})

test('Deno', async () => {
  using folder = tempFolder()
  const path = join(folder.path, 'new')
  const all = globalThis as { Deno?: unknown }
  all.Deno = {}
  try {
    const partitions = { data: { path, blockSize: 4096, size: 65536 } }
    await refusal('ERR_DCACHE_UNSUPPORTED', () => openCache({ memory: '1MiB', partitions }), 'Deno')
  } finally {
    delete all.Deno
  }
  assert.not(existsSync(path))
})

test('with any number of descriptors left a cache works, or the open is refused and leaves nothing', async () => {
  using folder = tempFolder()
  const text = `import { closeSync, existsSync, openSync } from 'node:fs'
    ${REPORT}
    const taken = []
    const take = () => { for (;;) try { taken.push(openSync('/dev/null')) } catch { return } }
    for (let free = 0; free < 200; free += 4) {
      take()
      for (const fd of taken.splice(0, free)) closeSync(fd)
      const outcome = await report(open({ path: 'new' + free, size: 65536 }))
      for (const fd of taken.splice(0)) closeSync(fd)
      console.log(free, existsSync('new' + free), outcome)
    }`
  // Node.js leaves files open of a worker whose modules it could not load, some hundred here in all.
  const { out, err } = await runProgram(folder, text, { before: 'ulimit -n 1000' })
  const outcomes = out.split('\n')
  assert.is(outcomes.length, 50, err)
  const codes = new Set<string>()
  for (const line of outcomes) {
    // Node's own loader does not always say that it lacks descriptors.
    assert.match(line, /^\d+ (true works|false ERR_DCACHE_(BAD_FILE .*open files|WORKER_DIED ))/)
    codes.add(line.split(' ')[2]!)
  }
  assert.ok(codes.size > 1 && codes.has('works'), [...codes].join(' '))
})

test('a cache larger than the memory of its container causes one warning with a code', async () => {
  using folder = tempFolder()
  const text = `${REPORT}
    const codes = []
    process.on('warning', ({ code }) => codes.push(code))
    for (const limit of [2 ** 16, 2 ** 30, 0]) {
      process.constrainedMemory = () => limit
      await report(open({ path: 'new', size: 65536 }))
      await new Promise((resolve) => setTimeout(resolve, 1))
      console.log(limit, codes.splice(0).join())
    }`
  const { out, err } = await runProgram(folder, text)
  assert.equal(out.split('\n'), ['65536 DCACHE_MEMORY_LIMIT', '1073741824 ', '0'], err)
})

for (const format of ['esm', 'cjs'] as const) {
  for (const isExternal of [false, true]) {
    test(`bundled by esbuild as ${format}${isExternal ? ', dcache external' : ''}`, async () => {
      using folder = tempFolder()
      mkdirSync(join(folder.path, 'node_modules'))
      symlinkSync(projectRoot, join(folder.path, 'node_modules/dcache'))
      const name = isExternal ? 'dcache' : packageUrl.replace('file://', '')
      const text = `export { openCache, CacheError } from ${JSON.stringify(name)}`
      const entry = folder.write('entry.mjs', text)
      const outfile = join(folder.path, format === 'esm' ? 'bundle.mjs' : 'bundle.cjs')
      await build({
        entryPoints: [entry],
        bundle: true,
        platform: 'node',
        format,
        outfile,
        external: isExternal ? ['dcache'] : [],
        logLevel: 'silent',
      })
      const program = `const bundle = await import(${JSON.stringify(outfile)})
        ${REPORT.replace('openCache', 'bundle.openCache').replace('CacheError', 'bundle.CacheError')}
        console.log(await report(open({ path: 'new', size: 65536 })))`
      const { out, err } = await runProgram(folder, program)
      if (isExternal) assert.is(out, 'works', err)
      else {
        assert.match(out, /^ERR_DCACHE_UNSUPPORTED .*bundler.*external/, err)
        assert.not(existsSync(join(folder.path, 'new')))
      }
    })
  }
}

test.run()
