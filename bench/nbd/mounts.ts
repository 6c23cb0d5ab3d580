/**
 * A served device as a mounted file system, and what a machine needs for that. Without the nbd module of the kernel:
 * nbdfuse makes a file of the export, and a loop device makes a device of the file.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'

const PROGRAMS = ['nbdfuse', 'fusermount3', 'mkfs.ext4', 'mount', 'umount', 'losetup']
const READY_MS = 30_000

const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

/** What is missing here for a mount, as names. */
export function missingForMount(): string[] {
  const missing = PROGRAMS.filter((name) => spawnSync('which', [name]).status !== 0)
  if (!existsSync('/dev/fuse')) missing.push('/dev/fuse')
  if (process.getuid?.() !== 0 || !existsSync('/dev/loop-control')) missing.push('the right to mount')
  return missing
}

/** A mounted ext4 over an export. It is unmounted at the end of the scope. */
export class Mount implements AsyncDisposable {
  readonly folder: string
  readonly #file: string
  readonly #fuse: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(path: string, uri: string) {
    this.#file = `${path}.device`
    this.folder = `${path}.mounted`
    writeFileSync(this.#file, '')
    mkdirSync(this.folder)
    this.#fuse = spawn('nbdfuse', [this.#file, uri], { stdio: 'inherit' })
    this.#ended = new Promise((resolve) => this.#fuse.once('exit', resolve))
  }

  /** Makes a file system on the export and mounts it, with names that begin with `path`. @throws if that fails */
  static async make(path: string, uri: string): Promise<Mount> {
    const mount = new Mount(path, uri)
    try {
      const endMs = performance.now() + READY_MS
      while (statSync(mount.#file).size === 0) {
        if (performance.now() > endMs || mount.#fuse.exitCode !== null) throw new Error(`nbdfuse made no file of ${uri}`)
        await pause()
      }
      execFileSync('mkfs.ext4', ['-q', '-F', mount.#file])
      execFileSync('mount', ['-o', 'loop', mount.#file, mount.folder])
    } catch (error) {
      await mount[Symbol.asyncDispose]()
      throw error
    }
    return mount
  } // prettier-ignore

  async [Symbol.asyncDispose](): Promise<void> {
    if (spawnSync('umount', [this.folder], { stdio: 'ignore' }).status !== 0)
      spawnSync('umount', ['-l', this.folder], { stdio: 'ignore' })
    const late = setTimeout(() => this.#fuse.kill(), READY_MS)
    // A loop device may release the file a moment later.
    while (this.#fuse.exitCode === null && this.#fuse.signalCode === null) {
      spawnSync('fusermount3', ['-u', this.#file], { stdio: 'ignore' })
      await Promise.race([this.#ended, pause()])
    }
    clearTimeout(late)
  }
}
