// Small programs that run in processes of their own: under limits, with flags of Node, or several at a time.

import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PATIENCE_MS } from './open.js'
import { projectRoot } from './project.js'
import { type TempFolder } from './temp.js'

/** The URL by which a program imports the package: its name cannot be resolved from the program's folder. */
export const packageUrl = pathToFileURL(join(projectRoot, 'dist/index.js')).href

export interface Ended {
  readonly out: string
  readonly err: string
  /** The exit code, or the signal. */
  readonly how: number | string
}

export interface Program {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

export interface ProgramOptions {
  readonly flags?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Shell commands to run first, `ulimit -n 30` for example. */
  readonly before?: string
  /** The name of its file. */
  readonly name?: string
}

/**
 * Starts a module in that folder; its text may use `openCache`, `attachCache` and `CacheError`. The program is killed after
 * `PATIENCE_MS`.
 */
export function startProgram(folder: TempFolder, text: string, options: ProgramOptions = {}): Program {
  const { flags = [], args = [], env = {}, before = ':', name = 'program.mjs' } = options
  const head = `import { attachCache, CacheError, openCache } from ${JSON.stringify(packageUrl)}\n`
  const file = folder.write(name, head + text)
  const command = ['-c', `${before}; exec "$0" "$@"`, process.execPath, ...flags, file, ...args]
  const child = spawn('sh', command, { cwd: folder.path, env: { ...process.env, ...env } })
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  let out = ''
  let err = ''
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (err += data.toString()))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ out: out.trim(), err, how: code ?? signal ?? '' })
    })
  })
  return { child, ended }
}

export const runProgram = (folder: TempFolder, text: string, options?: ProgramOptions): Promise<Ended> =>
  startProgram(folder, text, options).ended
