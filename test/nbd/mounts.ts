// NBD exports as files (nbdfuse), and file systems on them (a loop mount), which are removed at the end of the scope.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { programs } from '../support/left-out.js'

/** What nbdfuse needs. */
export const fuseNeeds = (): Record<string, boolean> => ({
  ...programs('nbdfuse', 'fusermount3'),
  '/dev/fuse': existsSync('/dev/fuse'),
})

/** What a loop mount needs. */
export const loopNeeds = (): Record<string, boolean> => ({
  ...programs('mkfs.ext4', 'e2fsck', 'mount', 'losetup'),
  'the right to mount (root and /dev/loop-control)':
    process.getuid?.() === 0 && existsSync('/dev/loop-control'),
})

const pause = () => new Promise((resolve) => setTimeout(resolve, 20))

export class FuseFile implements AsyncDisposable {
  readonly path: string
  readonly #child: ChildProcess
  readonly #exit: Promise<unknown>

  private constructor(path: string, child: ChildProcess) {
    this.path = path
    this.#child = child
    this.#exit = new Promise((resolve) => child.once('exit', resolve))
  }

  /** Makes a file of an export. `source` is a URI or a command for nbdfuse. Resolves when the file has its size. */
  static async mount(path: string, ...source: string[]): Promise<FuseFile> {
    writeFileSync(path, '')
    const child = spawn('nbdfuse', [path, ...source], { stdio: 'inherit' })
    const file = new FuseFile(path, child)
    for (const endMs = performance.now() + 30_000; statSync(path).size === 0; await pause()) {
      if (performance.now() < endMs && child.exitCode === null) continue
      await file[Symbol.asyncDispose]()
      throw new Error(`nbdfuse ${source.join(' ')} made no file`)
    }
    return file
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A loop device may release the file a moment later.
    for (const endMs = performance.now() + 10_000; performance.now() < endMs; await pause())
      if (spawnSync('fusermount3', ['-u', this.path], { stdio: 'ignore' }).status === 0) break
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    if (this.#child.exitCode === null) await this.#exit
    clearTimeout(late)
  }
}

/** Mounts a file system from a file on a folder that is created for it. */
export class LoopMount implements Disposable {
  readonly folder: string
  #isMounted = true

  constructor(file: string, folder: string) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    execFileSync('mount', ['-o', 'loop', file, folder])
  }

  unmount(): void {
    if (!this.#isMounted) return
    execFileSync('umount', [this.folder])
    this.#isMounted = false
  }

  [Symbol.dispose](): void {
    if (this.#isMounted) spawnSync('umount', ['-l', this.folder])
  }
}
