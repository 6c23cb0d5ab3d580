/**
 * The parameters of a run: its disks, the pool, the faults and the habits of its clients. All follow from a seed.
 */
import type { Fault } from './crash-device.js'
import { EIO, ENOSPC } from './crash-device.js'
import { Random } from './random.js'

export const WRITE_ORDER = ['data', 'directory', 'trailer'] as const

export interface DiskPlan {
  readonly name: string
  readonly blockSize: number
  readonly blocks: number
  readonly group: string
  readonly writeFault?: Fault
  readonly syncFault?: Fault
}

export interface Scenario {
  readonly seed: number
  readonly disks: readonly DiskPlan[]
  /** The number of frames of the pool, spares included. */
  readonly frames: number
  readonly policy: 'lru2' | 'adaptive'
  readonly dirtyLimit: number
  readonly dirtyBackground: number
  readonly flushDelayMs: number
  readonly clients: number
  readonly operations: number
  /** The share of the disks' calls that take a while. */
  readonly pauses: number
  /** The share of changes with another class than the block's usual one. */
  readonly classChanges: number
  /** The share of operations that keep their guards for a while. */
  readonly holds: number
  /** How long a client waits for a block. */
  readonly patienceMs: number
}

export function scenarioOf(seed: number, operations: number, patienceMs: number): Scenario {
  const random = new Random(seed)
  const diskCount = 2 + random.below(2)
  const hasFaults = random.chance(0.5)
  const hasTwoGroups = diskCount === 3 && random.chance(0.4)
  const disks = Array.from({ length: diskCount }, (_, i): DiskPlan => ({
    name: `disk${i}`,
    blockSize: random.pick([512, 1024, 2048]),
    blocks: 6 + random.below(8),
    group: hasTwoGroups && i === 2 ? 'other' : 'main',
    ...(hasFaults && random.chance(0.6) ? { writeFault: faultOf(random, 40) } : {}),
    ...(hasFaults && random.chance(0.6) ? { syncFault: faultOf(random, 8) } : {}),
  }))
  const blocks = disks.reduce((sum, disk) => sum + disk.blocks, 0)
  // A pool smaller than the working set of the clients.
  const isTight = random.chance(0.4)
  const frames = isTight ? Math.max(16, Math.floor(blocks * 0.7)) : blocks + 8
  return {
    seed,
    disks,
    frames: frames * (random.chance(0.3) ? 4 : 1),
    policy: random.pick(['lru2', 'adaptive']),
    dirtyLimit: random.pick([0.4, 2 / 3, 0.9]),
    dirtyBackground: random.pick([0.2, 0.5, 1]),
    flushDelayMs: random.pick([1, 5, 50]),
    clients: 2 + random.below(2),
    operations,
    pauses: random.pick([0.1, 0.3, 0.6]),
    classChanges: random.pick([0, 0.05, 0.3]),
    holds: random.pick([0.02, 0.1]),
    patienceMs,
  }
}

function faultOf(random: Random, period: number): Fault {
  return {
    errno: random.pick([EIO, ENOSPC]),
    first: random.below(period * 2),
    count: 1 + random.below(2),
    period: period + random.below(period * 2),
  }
}
