/**
 * One writer per file: the owner listens on an abstract Unix socket that is named after the file's device and inode. The
 * kernel gives a name to one socket only, and frees it when the socket's process is gone, however it ended. A child process
 * does not inherit the socket, because libuv opens it with SOCK_CLOEXEC. It is limited to one network namespace: two containers
 * that share a file do not see each other. Only Linux has such sockets; elsewhere there is a lock file (lock-file.ts).
 */
import { createServer } from 'node:net'
import { platform } from 'node:process'
import { CacheError } from '../shared/errors.js'
import { lockFile } from './lock-file.js'

export interface Claim {
  release(): void
}

/**
 * Claims the file that `path` leads to for writing; `key` is its identity, and `what` names it in errors. The name is claimed, or found claimed, before this function returns its promise: between the
 * caller's open(2) and the claim no other task of the process runs.
 * @throws ERR_DCACHE_IN_USE; ERR_DCACHE_BAD_FILE if the system refuses the socket; ERR_DCACHE_UNSUPPORTED if Node does
 */
export async function claimFile(key: string, what: string, path: string): Promise<Claim> {
  if (platform !== 'linux') return lockFile(key, what, path)
  const server = createServer((socket) => socket.destroy())
  server.unref()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // exclusive: a worker of node:cluster would otherwise ask the primary, which shares one name among all its workers.
      server.listen({ path: `\0dcache-${key}`, exclusive: true }, resolve)
    })
  } catch (cause) {
    throw claimError(what, cause as NodeJS.ErrnoException)
  }
  // A connection that the system cannot accept (EMFILE) does not end the claim, and must not end the process.
  server.on('error', () => undefined)
  return { release: () => server.close() }
}

function claimError(what: string, cause: NodeJS.ErrnoException): CacheError {
  if (cause.code === 'EADDRINUSE')
    return new CacheError(
      'ERR_DCACHE_IN_USE',
      `${what} is already open for writing, in this process or another; close the other cache, or open the partition with readOnly: true`,
      { cause },
    )
  if (cause.code === 'ERR_ACCESS_DENIED')
    return new CacheError(
      'ERR_DCACHE_UNSUPPORTED',
      `${what} cannot be claimed for writing: Node's permission model refuses the socket; start Node with --allow-net, or open the partition with readOnly: true`,
      { cause },
    )
  return new CacheError('ERR_DCACHE_BAD_FILE', `${what} cannot be claimed for writing: ${cause.message}`, {
    cause,
  })
}
