/**
 * A lock for one name in the file system, held by a process while it decides whether the name is free, and until it has
 * taken it, or given it up. An abstract Unix socket named by the folder's device and inode and by the name in it: the kernel
 * gives it to one process, and takes it back when that process is gone. Linux only; elsewhere there is no lock. It
 * reaches as far as the network namespace.
 */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { basename, dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import { platform } from 'node:process'

export interface NameLock {
  release(): void
}

const RETRY_MS = 20

/** Waits for a lock that another process has for a moment. Undefined: it was not available within `timeoutMs`. */
export async function lockName(path: string, timeoutMs: number): Promise<NameLock | undefined> {
  if (platform !== 'linux') return { release: () => undefined }
  const { dev, ino } = statSync(dirname(path), { bigint: true })
  const hash = createHash('sha256').update(basename(path)).digest('hex').slice(0, 32)
  const address = `\0dcache-name-${dev}-${ino}-${hash}`
  for (const endMs = performance.now() + timeoutMs; ;) {
    const server = await tryListen(address)
    if (server !== undefined) return { release: () => server.close() }
    if (performance.now() > endMs) return undefined
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

/** Undefined if the address is in use. */
function tryListen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    // Exclusive: a primary of node:cluster would grant one name to all its workers.
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}
