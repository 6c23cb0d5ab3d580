/**
 * Describes the machine of a run. Figures are comparable only with this description.
 */
import os from 'node:os'

export interface Setup {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly system: string
  readonly node: string
  readonly v8: string
  /** Node's flags, from the command line and NODE_OPTIONS. */
  readonly flags: readonly string[]
  readonly folder: string
  /** Over one minute, before the first benchmark. If other programs use half a core, the figures are worthless. */
  readonly loadBefore: number
  readonly loadAfter: number
}

export function setupOf(loadBefore: number): Setup {
  const cpus = os.cpus()
  const { NODE_OPTIONS = '' } = process.env
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
    flags: [...process.execArgv, ...NODE_OPTIONS.split(' ').filter((flag) => flag !== '')],
    folder: os.tmpdir(),
    loadBefore,
    loadAfter: loadNow(),
  }
}

export const loadNow = (): number => os.loadavg()[0]!
