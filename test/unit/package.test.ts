// What is published: no test code, and declarations that compile in a project without the DOM and
// without the packages that the cache uses inside.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { tempFolder } from '../support/temp.js'

interface PackReport {
  filename: string
  files: { path: string }[]
}

/** Runs a command to its end; a failure of it is the test's. */
function run(command: string, options: string[], directory: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, options, { cwd: directory, encoding: 'utf8' })
  if (error) throw error
  assert.is(status, 0, `${command} ${options.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** `npm pack` of what is built now: building again would pull the files away from other tests. */
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

/** dist/index.d.ts and the declarations that it imports, however indirectly. */
function publicDeclarations(): Map<string, string> {
  const found = new Map<string, string>()
  const visit = (path: string): void => {
    if (found.has(path)) return
    const text = readFileSync(path, 'utf8')
    found.set(path, text)
    for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
      if (specifier === '#atomics') visit(join(projectRoot, 'dist/shared/atomics.d.ts'))
      if (specifier?.startsWith('.')) visit(resolve(dirname(path), specifier.replace(/\.js$/, '.d.ts')))
    }
  }
  visit(join(projectRoot, 'dist/index.d.ts'))
  return found
}

test('the package holds the built code and no tests', () => {
  const paths = pack('--dry-run').files.map((file) => file.path)
  const allowed = /^(dist\/.+\.(js|d\.ts)|(package\.json|README\.md|LICENSE|CHANGELOG\.md))$/
  assert.equal(
    paths.filter((path) => !allowed.test(path) || /(^|[/.])test[/.]/.test(path)),
    [],
  )
  const needed = [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'dist/bench/main.js',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]
  for (const path of needed) assert.ok(paths.includes(path), path)
})

test('what the manifest points to is there', () => {
  for (const path of ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/shared/atomics.js']) {
    assert.ok(existsSync(join(projectRoot, path)), path)
  }
  for (const path of ['dist/cli/main.js', 'dist/bench/main.js'])
    assert.match(readFileSync(join(projectRoot, path), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

test('the public declarations name no package that is used inside', () => {
  for (const [path, text] of publicDeclarations())
    assert.not.match(text, /(from|import\()\s*['"](comlink|piscina)/, path)
})

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
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    lib: ['ES2022', 'ESNext.Disposable'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  }
  folder.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
  folder.write(
    'consumer.ts',
    `import { openCache, attachCache } from 'dcache'
     // Fails to compile if either were an unresolved any.
     type IsAny<T> = 0 extends 1 & T ? true : false
     export const checked: [IsAny<typeof openCache>, IsAny<typeof attachCache>] = [false, false]
     export type Cache = ReturnType<typeof openCache>
     export type Attached = ReturnType<typeof attachCache>`,
  )
  run(process.execPath, [join(packageFolder('typescript'), 'bin/tsc'), '-p', 'tsconfig.json'], folder.path)
})

test.run()
