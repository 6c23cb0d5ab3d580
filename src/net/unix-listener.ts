/**
 * A listening Unix socket under a name. It is bound under another name in the same folder and renamed when the server
 * is ready, so that the server can serve every client that finds the name. This process holds the lock of the name from
 * the check that it is free until it is taken. So if two servers start at once, the second is refused.
 *
 *   lock, check -> bound under a short name -> renamed, so that closing the handle leaves it -> name taken, lock released
 *                                                                                              -> removed, if it is still ours
 *
 * A name is removed only if it still refers to the socket that this process bound (same device and inode).
 */
import { linkSync, lstatSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { connect, type ListenOptions, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { descriptorOf, type Listener, listening } from './listening.js'
import { lockName } from './name-lock.js'

/** sun_path, without the NUL at its end. */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103
/** A server that stops holds the lock only briefly. One that starts holds it for longer; this does not wait for it. */
const LOCK_MS = 2000
/** Number of temporary names that are tried. */
const TRIES = 20

interface Identity {
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Binds the socket; `publish` gives it its name.
 * @param option what named the path, for messages
 * @param listen binds and listens with the server that is to have the connections
 * @throws with a message for the user
 */
export async function listenUnix(
  path: string,
  option = '--unix',
  listen: (options: ListenOptions) => Promise<Server> = listening,
): Promise<Listener> {
  const what = `${option} ${path}`
  assertUsable(path, what)
  const lock = await lockName(path, LOCK_MS)
  if (lock === undefined) throw new Error(`another server is starting or stopping at ${path}: try again`)
  try {
    const stale = await staleAt(path)
    const waiting = `${path}.${process.pid}.new`
    const server = await bindAs(path, waiting, what, listen)
    const own = identityOf(waiting)!
    let current = waiting
    return {
      descriptor: descriptorOf(server),
      name: path,
      publish() {
        take(waiting, path, stale)
        current = path
        lock.release()
      },
      release: () => server.close(),
      async remove() {
        // Without the lock, only the check below protects the name. That is better than leaving the name behind.
        const held = current === waiting ? lock : await lockName(path, LOCK_MS).catch(() => undefined)
        if (isSame(identityOf(current), own)) unlinkSync(current)
        held?.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** @throws with a message for the user */
function assertUsable(path: string, what: string): void {
  const most = PATH_BYTES_MAX
  const longest = Math.max(Buffer.byteLength(path), Buffer.byteLength(shortName(path)))
  if (longest > most) {
    throw new Error(
      `${what}: the path of a Unix socket has at most ${most} bytes here, and this needs ${longest}; ` +
        'choose a shorter one, or one relative to the working directory',
    )
  }
  const folder = dirname(path)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`${what}: ${folder} is no folder`)
}

/** The socket of a dead server at the name, which may be replaced. @throws if the name is taken by anything else */
async function staleAt(path: string): Promise<Identity | undefined> {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (found === undefined) return undefined
  if (!found.isSocket()) throw new Error(`${path} exists and is no socket`)
  const isLive = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
  if (isLive) throw new Error(`a server already listens at ${path}`)
  return found
}

/** Binds and renames in one turn of the event loop, because closing a server removes the name that it was bound to. */
async function bindAs(
  path: string,
  name: string,
  what: string,
  listen: (options: ListenOptions) => Promise<Server>,
): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const bound = shortName(path)
    try {
      const server = await listen({ path: bound, exclusive: true })
      try {
        renameSync(bound, name)
      } catch (error) {
        server.close()
        throw error
      }
      return server
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' || attempt === TRIES)
        throw new Error(`${what}: the socket can't be created: ${message}`, { cause: error })
    }
  }
}

const shortName = (path: string): string =>
  join(dirname(path), `.${Math.floor(Math.random() * 36 ** 5).toString(36).padStart(5, '0')}`) // prettier-ignore

/** Renames the socket `from` to `to`, if `to` is free or the stale socket. @throws with a message for the user */
function take(from: string, to: string, stale: Identity | undefined): void {
  const found = identityOf(to)
  if (found === undefined) {
    try {
      linkSync(from, to)
      rmSync(from)
      return
    } catch (error) {
      // The file system has no hard links. Replacing `to` is safe, because it was free a moment ago.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        renameSync(from, to)
        return
      }
    }
  } else if (isSame(found, stale)) {
    renameSync(from, to)
    return
  }
  throw new Error(`${to} was created by another program while the server started`)
}

const identityOf = (path: string): Identity | undefined =>
  lstatSync(path, { bigint: true, throwIfNoEntry: false })

const isSame = (one: Identity | undefined, other: Identity | undefined): boolean =>
  one !== undefined && one.dev === other?.dev && one.ino === other.ino
