// @deadline 400
// What is published: no test code, and declarations that compile in a project without the DOM and
// without the packages that the cache uses inside.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { canRun } from '../support/left-out.js'
import { projectRoot } from '../support/project.js'
import { files, sessions } from '../support/readme-snippets.js'
import { tempFolder } from '../support/temp.js'
import { onlyNormal, sample } from '../support/size.js'

interface PackReport {
  filename: string
  files: { path: string }[]
}

/** Runs a command to its end. If it fails, so does the test. */
function run(command: string, options: string[], directory: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, options, { cwd: directory, encoding: 'utf8' })
  if (error) throw error
  assert.is(status, 0, `${command} ${options.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** Packs the present build: building again would remove files that other tests use. */
function pack(...options: string[]): PackReport {
  const report = run('npm', ['pack', '--json', '--ignore-scripts', ...options], projectRoot)
  const [first] = JSON.parse(report) as PackReport[]
  assert.ok(first)
  return first
}

/** The folder of an installed package. */
function packageFolder(name: string, from = import.meta.url): string {
  return dirname(createRequire(from).resolve(`${name}/package.json`))
}

test('the package holds the built code and no tests', () => {
  const paths = pack('--dry-run').files.map((file) => file.path)
  const allowed =
    /^(dist\/.+\.js|dist\/((nbd|metrics|monitor)\/)?index\.d\.ts|dist\/monitor\/page\.(html|css)|docs\/[\w-]+\.(md|svg)|docs\/prometheus\/[\w-]+\.(yml|json)|src\/.+\.md|examples\/.+\.(md|mjs)|package\.json|LICENSE|[A-Z]+\.md)$/
  assert.equal(
    paths.filter((path) => !allowed.test(path) || /(^|[/.])test[/.]/.test(path)),
    [],
  )
  const needed = [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/nbd/index.d.ts',
    'dist/metrics/index.d.ts',
    'dist/monitor/index.d.ts',
    'dist/monitor/page.html',
    'dist/monitor/page.css',
    'dist/monitor/page.js',
    'dist/cli/main.js',
    'dist/bench/main.js',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'ARCHITECTURE.md',
    'docs/api.md',
    'docs/dcache.svg',
  ]
  for (const path of needed) assert.ok(paths.includes(path), path)
})

test('every file that the manifest names exists', () => {
  for (const path of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/shared/atomics.js']) {
    assert.ok(existsSync(join(projectRoot, path)), path)
  }
  for (const path of ['dist/cli/main.js', 'dist/bench/main.js'])
    assert.match(readFileSync(join(projectRoot, path), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

/** The entries of the package: what each exports, its declarations, and what those may import. */
const ENTRIES = [
  { module: await import('dcache'), file: 'dist/index.d.ts', imports: ['node:worker_threads'] },
  { module: await import('dcache/nbd'), file: 'dist/nbd/index.d.ts', imports: ['../index.js', 'node:net'] },
  { module: await import('dcache/metrics'), file: 'dist/metrics/index.d.ts', imports: ['../index.js'] },
  { module: await import('dcache/monitor'), file: 'dist/monitor/index.d.ts', imports: ['../index.js'] },
]

for (const { module, file, imports } of ENTRIES) {
  const text = readFileSync(join(projectRoot, file), 'utf8')

  test(`${file} is one file, which imports only public types`, () => {
    const imported = [...text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name]) => name)
    assert.equal([...new Set(imported)], imports)
    assert.not.match(text, /^\s*import\s*\(/m)
  })

  test(`${file} has every name that its entry exports`, () => {
    for (const name of Object.keys(module))
      assert.match(text, new RegExp(`^export declare (class|const|function) ${name}\\b`, 'm'))
  })
}

/** [compiler, module, moduleResolution]: the newest and oldest compilers that docs/platforms.md names, and the resolution of old projects. */
const COMPILERS: readonly [string, string, string][] = [
  ['typescript', 'nodenext', 'nodenext'],
  ['typescript', 'esnext', 'bundler'],
  ['least-typescript', 'nodenext', 'nodenext'],
  ['least-typescript', 'esnext', 'node'],
]

test('a project without the DOM compiles against the package', () => {
  using folder = tempFolder()
  const modules = join(folder.path, 'node_modules')
  mkdirSync(join(modules, '@types'), { recursive: true })

  const { filename } = pack('--pack-destination', folder.path)
  run('tar', ['-xzf', filename], folder.path)
  run('mv', ['package', 'node_modules/dcache'], folder.path)
  const nodeTypes = packageFolder('@types/node')
  symlinkSync(nodeTypes, join(modules, '@types/node'))
  symlinkSync(packageFolder('undici-types', join(nodeTypes, 'index.d.ts')), join(modules, 'undici-types'))

  folder.write('package.json', '{ "type": "module" }')
  const options = {
    target: 'es2022',
    lib: ['ES2022', 'ESNext.Disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  }
  for (const [compiler, module, moduleResolution] of sample(COMPILERS, 1)) {
    // The resolution of old projects does not know the entries of a package besides its main one.
    folder.write(
      'consumer.ts',
      `import { openCache, attachCache } from 'dcache'
       // Fails to compile if either were an unresolved any.
       type IsAny<T> = 0 extends 1 & T ? true : false
       export const checked: [IsAny<typeof openCache>, IsAny<typeof attachCache>] = [false, false]
       ${moduleResolution === 'node' ? '' : "export { createBlockServer } from 'dcache/nbd'"}
       ${moduleResolution === 'node' ? '' : "export { registerPrometheusMetrics } from 'dcache/metrics'"}
       ${moduleResolution === 'node' ? '' : "export { monitor, type MonitorSample } from 'dcache/monitor'"}
       export type Cache = ReturnType<typeof openCache>
       export type Attached = ReturnType<typeof attachCache>`,
    )
    const compilerOptions = { ...options, module, moduleResolution }
    folder.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
    run(process.execPath, [join(packageFolder(compiler), 'bin/tsc'), '-p', 'tsconfig.json'], folder.path)
  }
})

onlyNormal(test, 'after npm install of the package, the first program of README runs', () => {
  using folder = tempFolder()
  const { filename } = pack('--pack-destination', folder.path)
  folder.write('app/package.json', '{ "private": true }')
  const app = join(folder.path, 'app')
  const options = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  const { status, stderr } = spawnSync('npm', [...options, join('..', filename)], {
    cwd: app,
    encoding: 'utf8',
  })
  const isOffline = status !== 0 && /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT)\b/.test(stderr)
  if (!canRun('the installed package', { 'the registry of npm': !isOffline })) return
  assert.is(status, 0, stderr)
  const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8')
  const [{ file, output }] = sessions(readme) as [{ file: string; output: string }]
  folder.write(`app/${file}`, files(readme).get(file)!)
  assert.is(run(process.execPath, [file], app), output)
})

test.run()
