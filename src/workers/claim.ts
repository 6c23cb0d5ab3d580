/**
 * One writer a file: the owner listens on an abstract Unix socket named by device and inode. The kernel gives the name
 * to one process, and takes it back when that process is gone, however it went. Linux only; elsewhere there is no
 * guard. It reaches as far as the network namespace: two containers that share a file don't see each other.
 */
import { createServer } from 'node:net'
import { platform } from 'node:process'
import { CacheError } from '../shared/errors.js'

export interface Claim {
  release(): void
}

/** @throws ERR_DCACHE_IN_USE */
export async function claimFile(key: string, what: string): Promise<Claim> {
  if (platform !== 'linux') return { release: () => undefined }
  const server = createServer((socket) => socket.destroy())
  server.unref()
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE'
      reject(
        isTaken
          ? new CacheError(
              'ERR_DCACHE_IN_USE',
              `${what} is open for writing already, here or in another process`,
              { cause },
            )
          : new CacheError('ERR_DCACHE_BAD_FILE', `${what}: its claim could not be made: ${cause.message}`, {
              cause,
            }),
      )
    })
    server.listen({ path: `\0dcache-${key}` }, resolve)
  })
  return { release: () => server.close() }
}
