/**
 * The servers that are compared. Each is a separate process with its own file and Unix socket.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createConnection } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Folder } from '../harness/folder.js'
import { writeBlocks } from '../hit/workload.js'

const EXPORT = 'bench'
const READY_MS = 60_000
/** More than the size of the file, so that all blocks are cached. */
const MEMORY = '256MiB'

export interface Place {
  readonly file: string
  readonly socket: string
}

/** The command, and the program that must be installed for it. */
export interface ServerKind {
  readonly name: string
  readonly program: string
  readonly args: (place: Place) => readonly string[]
}

export const DCACHE = 'dcache serve'
export const NBDKIT = 'nbdkit file'

export const serverKinds = (threads: number, connections: number): readonly ServerKind[] => [
  {
    name: DCACHE,
    program: process.execPath,
    args: ({ file, socket }) => [
      fileURLToPath(new URL('../../cli/main.js', import.meta.url)),
      ...['serve', '--export', `${EXPORT}=${file}`, '--unix', socket],
      ...['--threads', String(threads), '--memory', MEMORY],
    ],
  },
  {
    name: NBDKIT,
    program: 'nbdkit',
    args: ({ file, socket }) => ['--foreground', '--unix', socket, 'file', file],
  },
  {
    name: 'qemu-nbd',
    program: 'qemu-nbd',
    args: ({ file, socket }) => [
      ...['--persistent', '--format=raw', `--socket=${socket}`, `--shared=${connections}`],
      ...[`--export-name=${EXPORT}`, file],
    ],
  },
]

/** Running servers by the names of their kinds. They end with the scope. */
export interface Servers extends AsyncDisposable {
  readonly byName: ReadonlyMap<string, Server>
}

/** Starts a server of each kind, over a file of this many blocks. @throws if one does not answer */
export async function startServers(
  kinds: readonly ServerKind[],
  folder: Folder,
  blocks: number,
): Promise<Servers> {
  const byName = new Map<string, Server>()
  const stop = async () => {
    await Promise.all([...byName.values()].map((server) => server[Symbol.asyncDispose]()))
  }
  try {
    for (const [i, kind] of kinds.entries()) {
      const place = { file: folder.path(`disk-${i}`), socket: folder.path(`socket-${i}`) }
      writeBlocks(place.file, blocks)
      byName.set(kind.name, await Server.start(kind, place))
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { byName, [Symbol.asyncDispose]: stop }
}

export class Server implements AsyncDisposable {
  readonly uri: string
  readonly #child: ChildProcess
  readonly #ended: Promise<string>
  #log = ''

  private constructor({ program, args }: ServerKind, place: Place) {
    this.uri = `nbd+unix:///${EXPORT}?socket=${place.socket}`
    this.#child = spawn(program, args(place), { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#log += chunk.toString()))
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        resolve(error.message)
      })
      this.#child.once('close', (code, signal) => {
        resolve(`${program} ended with ${code ?? signal}: ${this.#log}`)
      })
    })
  }

  /** Starts a server. @throws if it does not answer */
  static async start(kind: ServerKind, place: Place): Promise<Server> {
    const server = new Server(kind, place)
    const endMs = performance.now() + READY_MS
    let end: string | undefined
    void server.#ended.then((text) => (end = text))
    while (!(await answers(place.socket))) {
      if (end !== undefined || performance.now() > endMs) {
        await server[Symbol.asyncDispose]()
        throw new Error(end ?? `${kind.name} did not start to serve: ${server.#log}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill()
    await this.#ended
  }
}

/** Whether the server accepts connections on the socket. */
function answers(path: string): Promise<boolean> {
  if (!existsSync(path)) return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = createConnection(path)
    socket.once('error', () => {
      resolve(false)
    })
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
  })
}
