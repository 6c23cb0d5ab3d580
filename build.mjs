// Builds the package: src/ to dist/ (code, and the public declarations in one file for each entry), bench/ to dist/bench, and test/ to build/.
// The monitor's page is a script of its own, bundled with uPlot, for browsers.
// esbuild transpiles file by file, so the trees stay the same and the entry file of a worker thread
// is a file of its own; tsc checks the types of src/ and writes its declarations to build/types. Of src/ the files are "bundled", each
// with nothing but the enums of shared/words.ts, shared/round-words.ts, shared/counter-words.ts and core/client/how.ts: for esbuild that is where numbers take the place of their names.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { writeDeclarations } from './declarations.mjs'

const root = dirname(fileURLToPath(import.meta.url))
process.chdir(root)

/** Of the monitor's page, in src/: what runs in a browser. */
const PAGE = join('monitor', 'page')

/** Bundles the enums in, and leaves every other import as it is. */
const onlyWords = {
  name: 'only words',
  setup(esbuild) {
    esbuild.onResolve({ filter: /./ }, ({ kind, path, resolveDir }) => {
      if (kind === 'entry-point') return undefined
      return /\/(words|round-words|counter-words|how)\.js$/.test(path)
        ? { path: resolve(resolveDir, path.replace(/js$/, 'ts')) }
        : { path, external: true }
    })
  },
}

/** Transpiles every TypeScript file below `from` to the same place below `to`, afresh. */
async function transpile(from, to, options = { bundle: false }) {
  rmSync(to, { recursive: true, force: true })
  if (!existsSync(from)) return
  const entryPoints = readdirSync(from, { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.startsWith(PAGE))
    .map((name) => join(from, name))
  if (entryPoints.length === 0) return
  await build({
    entryPoints,
    outbase: from,
    outdir: to,
    ...options,
    format: 'esm',
    platform: 'node',
    // Lowers `using`, which Node 20 does not know.
    target: 'node20',
    charset: 'utf8',
    logLevel: 'warning',
  })
}

/** Makes the three files of the monitor's page: its script and style sheet with those of uPlot, and the document. */
async function makePage() {
  const from = join('src', PAGE)
  await build({
    entryPoints: [join(from, 'page.ts'), join(from, 'page.css')],
    outdir: 'dist/monitor',
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome120', 'firefox120', 'safari17'],
    charset: 'utf8',
    legalComments: 'inline',
    logLevel: 'warning',
  })
  copyFileSync(join(from, 'page.html'), 'dist/monitor/page.html')
}

/** Writes the declarations of src/; false when its types do not hold. */
function declare() {
  const packageFile = createRequire(import.meta.url).resolve('typescript/package.json')
  const tsc = join(dirname(packageFile), 'bin', 'tsc')
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { stdio: 'inherit' })
  return run.status === 0
}

try {
  await transpile('src', 'dist', { bundle: true, plugins: [onlyWords] })
  await makePage()
  await transpile('test', 'build/test')
  await transpile('bench', 'dist/bench')
} catch {
  // esbuild has printed what is wrong.
  process.exit(1)
}

for (const command of ['dist/cli/main.js', 'dist/bench/main.js'])
  if (existsSync(command)) chmodSync(command, 0o755)

if (!declare()) process.exit(1)
const main = 'build/types/index.d.ts'
writeDeclarations({ entry: main, target: 'dist/index.d.ts' })
writeDeclarations({
  entry: 'build/types/nbd/index.d.ts',
  main,
  mainName: '../index.js',
  target: 'dist/nbd/index.d.ts',
})
for (const entry of ['metrics', 'monitor'])
  writeDeclarations({
    entry: `build/types/${entry}/index.d.ts`,
    main,
    mainName: '../index.js',
    target: `dist/${entry}/index.d.ts`,
  })
