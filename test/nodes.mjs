// Runs a command on other versions of Node.js: node test/nodes.mjs VERSIONS COMMAND [arguments ...]
//
//   node test/nodes.mjs 20.19,22,24,latest npm test
//
// VERSIONS are npm's names of versions, separated by commas. The binaries come from npm's packages node-SYSTEM-PROCESSOR and
// stay in build/nodes. The command, and every program that it starts, finds this Node.js first. Fails if any version fails;
// the last lines are one for each version, with the last line of the command.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { arch, argv, env, platform } from 'node:process'

const kind = `node-${platform === 'win32' ? 'win' : platform}-${arch}`

/** The folder with the binary of a version, which is installed if it is missing. */
function install(version) {
  const folder = resolve('build/nodes', version)
  const bin = join(folder, 'node_modules', kind, 'bin')
  if (existsSync(bin)) return bin
  mkdirSync(folder, { recursive: true })
  const options = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--loglevel', 'error']
  const { status } = spawnSync('npm', ['install', ...options, `${kind}@${version}`], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`npm cannot install ${kind}@${version}`)
  return bin
}

/** Runs a command with the Node.js in a folder; resolves to whether it succeeded, and its last line. */
function run(bin, [command, ...args]) {
  return new Promise((done) => {
    const path = `${bin}${delimiter}${env.PATH}`
    const child = spawn(command, args, { env: { ...env, PATH: path }, stdio: ['ignore', 'pipe', 'inherit'] })
    let end = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      end = (end + chunk.toString()).slice(-1000)
    })
    child.once('close', (code) => done({ passed: code === 0, last: end.trimEnd().split('\n').at(-1) }))
  })
}

const [versions, ...command] = argv.slice(2)
if (command.length === 0) throw new Error('which versions, and what? node test/nodes.mjs 22,24 npm test')
const lines = []
for (const version of versions.split(',')) {
  const bin = install(version)
  const name = spawnSync(join(bin, 'node'), ['--version']).stdout.toString().trim()
  console.log(`Node.js ${name}`)
  const { passed, last } = await run(bin, command)
  lines.push(`Node.js ${name}: ${last}`)
  if (!passed) process.exitCode = 1
}
console.log(lines.join('\n'))
