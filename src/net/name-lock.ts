/**
 * A lock for one name in the file system. A process holds it from the check that the name is free until it has taken
 * the name or failed. The lock is an abstract Unix socket, named after the folder's device and inode and the name in
 * it. The kernel grants it to one process and releases it when that process ends. Linux only; elsewhere there is no
 * lock. It covers one network namespace.
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

/** Waits for the lock. Resolves to undefined if another process still holds it after `timeoutMs`. */
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

/** Resolves to undefined if the address is in use. */
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
