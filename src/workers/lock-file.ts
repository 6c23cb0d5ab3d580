/**
 * One writer per file where there are no abstract Unix sockets (claim.ts): a lock in the file's folder, named after the file's
 * device and inode and created exclusively, with the process id of its owner. The system does not remove it when the process
 * is gone. A process that finds the lock of one that has ended takes it over: under a second file, also created exclusively,
 * it reads the lock once more and removes it. Nothing else removes the lock of a process that has ended, so no process can
 * remove one that is in use.
 *
 * What it does not cover: a file that is moved to or has a hard link in another folder, processes of other machines, an owner
 * thread that is terminated (its lock lasts as long as its process), and a process id that the system gave to another process
 * since (the lock stays, and the error names it).
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { kill, pid } from 'node:process'
import { realFolder } from './open-file.js'
import { CacheError } from '../shared/errors.js'

export interface Lock {
  release(): void
}

/** How often the lock that was found may be gone when it is read. */
const ATTEMPTS_MAX = 100

/**
 * Creates the lock of the file that `path` leads to; `key` is its identity, and `what` names it in errors. Does not wait.
 * @throws ERR_DCACHE_IN_USE; ERR_DCACHE_BAD_FILE if the lock cannot be created
 */
export function lockFile(key: string, what: string, path: string): Lock {
  const lock = `${realFolder(path)}/.dcache-${key}.lock`
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (create(lock, what)) return { release: () => removeOwn(lock) }
    const text = contents(lock)
    if (text === undefined) continue
    if (text === '') throw inUse(what, `another process makes its lock; if none does, remove ${lock}`)
    if (isRunning(Number(text))) throw inUse(what, `process ${text} has the lock ${lock}`)
    takeOver(lock, text, what)
  }
  throw inUse(what, `other processes create and remove its lock ${lock}`)
}

/** Returns false if the file exists. */
function create(path: string, what: string): boolean {
  let fd: number | undefined
  try {
    fd = openSync(path, 'wx')
    writeSync(fd, `${pid}`)
    return true
  } catch (cause) {
    if (fd !== undefined)
      rmSync(path, { force: true }) // a full disk: an empty lock would stay for ever
    else if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw new CacheError(
      'ERR_DCACHE_BAD_FILE',
      `${what} cannot be claimed for writing: its lock, ${path}, cannot be created: ${(cause as Error).message}`,
      { cause },
    )
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Removes the lock of a process that has ended, if it is still that one. */
function takeOver(lock: string, text: string, what: string): void {
  const taking = `${lock}.taking`
  if (!create(taking, what))
    throw inUse(what, `another process takes over its lock; if none does, remove ${taking} and ${lock}`)
  try {
    if (contents(lock) === text) rmSync(lock)
  } finally {
    rmSync(taking)
  }
}

function isRunning(id: number): boolean {
  try {
    kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function contents(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function removeOwn(lock: string): void {
  if (contents(lock) === `${pid}`) rmSync(lock, { force: true })
}

const inUse = (what: string, why: string): CacheError =>
  new CacheError(
    'ERR_DCACHE_IN_USE',
    `${what} is already open for writing, in this process or another: ${why}; close the other cache, or open the partition with readOnly: true`,
  )
