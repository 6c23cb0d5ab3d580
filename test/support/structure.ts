// Checks of how src/ is built up. Each takes the files as a map from path (from src/) to text, and
// gives a line for every breach.

import { posix } from 'node:path'
import ts from 'typescript'

export type Files = ReadonlyMap<string, string>

const atomicsFile = 'shared/atomics.ts'
const maxLines = 350

/** What each layer may import besides itself: a folder of src/, or `index` for the files in src/ itself. */
export const layers: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  core: ['shared'],
  workers: ['shared', 'core'],
  index: ['shared', 'core', 'workers'],
  net: [],
  metrics: ['shared', 'index'],
  monitor: ['shared', 'index', 'net', 'metrics'],
  nbd: ['shared', 'core', 'workers', 'index', 'net', 'monitor'],
  workload: ['shared', 'core', 'workers', 'index'],
  cli: ['shared', 'core', 'workers', 'index', 'nbd', 'monitor', 'workload'],
}

/** What each room of core may import besides itself. `core` are the files outside the rooms. */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  device: [],
  policy: [],
  journal: [],
  core: ['device', 'policy', 'journal'],
  wait: ['core'],
  changes: ['core', 'wait'],
  blocks: ['core', 'policy', 'wait', 'changes'],
  prefetch: ['core', 'wait', 'blocks'],
  inspect: ['core', 'wait', 'changes', 'blocks', 'journal'],
  recovery: ['core', 'wait', 'changes', 'blocks'],
  'write-back': ['core', 'wait', 'changes', 'blocks', 'recovery', 'journal'],
  partitions: ['core', 'wait', 'changes', 'blocks', 'inspect'],
  client: ['core', 'wait', 'changes', 'blocks', 'prefetch', 'inspect', 'write-back'],
}

/** Visits every node of a file's syntax tree. */
function walk(text: string, visit: (node: ts.Node) => void): void {
  const step = (node: ts.Node): void => {
    visit(node)
    ts.forEachChild(node, step)
  }
  step(ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest))
}

/** The expression or type that says what a node imports, if it imports anything. */
function importTarget(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0] ?? node
  }
  return undefined
}

/** Everything a file imports, statically or not, types included; `undefined` where only a run could tell. */
export function importsOf(text: string): (string | undefined)[] {
  const found: (string | undefined)[] = []
  walk(text, (node) => {
    const target = importTarget(node)
    if (target) found.push(ts.isStringLiteralLike(target) ? target.text : undefined)
  })
  return found
}

function layerOf(path: string): string {
  const slash = path.indexOf('/')
  return slash < 0 ? 'index' : path.slice(0, slash)
}

/** The room of a file of core; undefined for other layers. */
function roomOf(path: string): string | undefined {
  const [layer, room, file] = path.split('/')
  if (layer !== 'core') return undefined
  return file === undefined ? layer : room
}

/** The path in src/ that a specifier leads to; undefined for another package's name. */
function resolveOwn(from: string, specifier: string): string | undefined {
  if (specifier === '#atomics') return atomicsFile
  if (specifier.startsWith('.')) {
    return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts')
  }
  return undefined
}

function importBreach(path: string, specifier: string | undefined, files: Files): string | undefined {
  if (specifier === undefined) return `${path} imports what cannot be told from its text`
  if (specifier === 'dcache' || specifier.startsWith('dcache/') || specifier.startsWith('#dist/')) {
    return `${path} imports ${specifier}, a name for users and tests of the package`
  }
  const target = resolveOwn(path, specifier)
  if (target === undefined) return undefined
  if (!files.has(target)) return `${path} imports ${specifier}, which is no source file`
  return (
    wrongWay(layers, layerOf(path), layerOf(target), path, specifier) ??
    wrongWay(rooms, roomOf(path), roomOf(target), path, specifier)
  )
}

function wrongWay(
  allowed: Readonly<Record<string, readonly string[]>>,
  from: string | undefined,
  to: string | undefined,
  path: string,
  specifier: string,
): string | undefined {
  if (from === undefined || to === undefined || from === to || allowed[from]?.includes(to)) return undefined
  return `${path} imports ${specifier}: ${from} may not import ${to}`
}

/** Imports run one way through the layers, and through the rooms of core. */
export function layerBreaches(files: Files): string[] {
  const breaches: string[] = []
  for (const [path, text] of files) {
    if (!Object.hasOwn(layers, layerOf(path))) breaches.push(`${path} is in no known layer`)
    if (!Object.hasOwn(rooms, roomOf(path) ?? 'core')) breaches.push(`${path} is in no known room`)
    for (const specifier of importsOf(text)) {
      const breach = importBreach(path, specifier, files)
      if (breach !== undefined) breaches.push(breach)
    }
  }
  return breaches
}

/** No file imports itself by way of others, types included. A line for each circle that is found. */
export function circleBreaches(files: Files): string[] {
  const imports = new Map<string, string[]>()
  for (const [path, text] of files) {
    const targets = importsOf(text).map((specifier) => specifier && resolveOwn(path, specifier))
    imports.set(path, targets.filter((target) => target !== undefined && files.has(target)) as string[])
  }
  const breaches: string[] = []
  const finished = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    const begin = way.indexOf(path)
    if (begin >= 0) breaches.push([...way.slice(begin), path].join(' imports '))
    if (begin >= 0 || finished.has(path)) return
    for (const target of imports.get(path) ?? []) visit(target, [...way, path])
    finished.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  return breaches
}

/** Benchmarks use the package by its names, and nothing else of the project. */
export function benchBreaches(files: Files): string[] {
  const breaches: string[] = []
  for (const [path, text] of files) {
    for (const specifier of importsOf(text)) {
      if (specifier?.startsWith('.') !== true) continue
      const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
      if (!files.has(target)) breaches.push(`${path} imports ${specifier}, which is no file of bench/`)
    }
  }
  return breaches
}

/** Only one file names Atomics in its code; comments may, anywhere. */
export function atomicsBreaches(files: Files): string[] {
  const breaches: string[] = []
  for (const [path, text] of files) {
    if (path === atomicsFile) continue
    const names = new Set<string>()
    walk(text, (node) => {
      // A string could be a property name: globalThis['Atomics'].
      if (ts.isIdentifier(node) || ts.isStringLiteralLike(node)) names.add(node.text)
    })
    if (names.has('Atomics')) breaches.push(`${path} names Atomics`)
  }
  return breaches
}

/** No file is too long to take in. */
export function lengthBreaches(files: Files): string[] {
  const breaches: string[] = []
  for (const [path, text] of files) {
    const lines = text.replace(/\n$/, '').split('\n').length
    if (lines > maxLines) breaches.push(`${path} has ${lines} lines`)
  }
  return breaches
}
