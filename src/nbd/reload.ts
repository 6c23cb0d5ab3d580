/**
 * Reading the file of exports again, on SIGHUP. The whole file is read before anything changes: a file that cannot be read, or has
 * a wrong line, changes nothing. Requests that come while one is carried out become one, since the file is read when it begins.
 */
import { readExports } from './export-list.js'
import type { LiveExports } from './live-exports.js'
import { entry, type Log, messageOf } from './log.js'
import type { EngineSettings, ExportSettings } from './messages.js'

export class Reload {
  readonly #settings: EngineSettings
  readonly #exports: LiveExports
  readonly #log: Log
  #isDue = false
  #running: Promise<void> | undefined

  constructor(settings: EngineSettings, exports: LiveExports, log: Log) {
    this.#settings = settings
    this.#exports = exports
    this.#log = log
  }

  request(): void {
    this.#isDue = true
    this.#running ??= this.#run()
  }

  /** Ends what is under way early, and waits for that. The caller makes no further request. */
  async stop(): Promise<void> {
    this.#isDue = false
    this.#exports.stop()
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false
      await this.#once()
    }
    this.#running = undefined
  }

  async #once(): Promise<void> {
    const { exportsFile, fixed, readOnly } = this.#settings
    if (exportsFile === undefined) return
    let wanted: ExportSettings[]
    try {
      const names = fixed.map(({ name }) => name)
      const listed = readExports(exportsFile, names).map((each) => ({ ...each, readOnly }))
      wanted = [...fixed, ...listed]
    } catch (error) {
      this.#log(entry('error', 'not-reloaded', `the exports stay as they are: ${messageOf(error)}`))
      return
    }
    const outcome = await this.#exports.change(wanted)
    const { added, removed, resized, refused } = outcome
    const counts = `${added} added, ${removed} removed, ${resized} resized, ${refused} refused`
    this.#log(entry('info', 'reloaded', `${exportsFile} was read: ${counts}`, { ...outcome }))
  }
}
