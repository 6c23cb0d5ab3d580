/**
 * The shared memory of a run, and a thread's context on it: the arena of a new cache on crash disks, without files. It
 * takes the same steps as workers/host.ts and attach.ts, which it replaces.
 */
import type { Context } from '#dist/core/context.js'
import { CrashDevice, createDisk, type Disk, DiskControl } from './crash-device.js'
import type { Engine } from './engine.js'
import { CrashLog } from './log.js'
import { type Scenario, WRITE_ORDER } from './scenario.js'

/** Slots as in workers/attach.ts. */
export const OWNER_SLOT = 0
export const FLUSH_SLOT = 1
export const writerSlot = (partition: number): number => 2 + partition

export interface Setup {
  readonly scenario: Scenario
  readonly buffer: SharedArrayBuffer
  readonly memory: Context['arena']['memory']
  readonly disks: readonly Disk[]
  readonly log: SharedArrayBuffer
  /** The newest version of each block, disk after disk; changed by the holder of the block's latch. */
  readonly versions: SharedArrayBuffer
}

const ID = 7
const LOG_RECORDS = 60_000

export function createSetup(engine: Engine, scenario: Scenario): Setup {
  const log = CrashLog.create(LOG_RECORDS)
  const { disks: plans } = scenario
  const disks = plans.map(({ blockSize, blocks }, partition) =>
    createDisk({ partition, blockSize, blocks, log, pauses: scenario.pauses, seed: scenario.seed }),
  )
  plans.forEach(({ writeFault, syncFault }, partition) => {
    const control = new DiskControl(disks[partition]!)
    if (writeFault) control.failWrites(writeFault)
    if (syncFault) control.failSyncs(syncFault)
    control.shortWrites(scenario.seed % 4 === 0)
  })
  const frameSize = Math.max(...plans.map((plan) => plan.blockSize))
  const config = engine.parseOptions({
    memory: scenario.frames * frameSize,
    partitions: Object.fromEntries(
      plans.map(({ name, blockSize, group }) => [name, { path: name, blockSize, group }]),
    ),
    maxPartitions: plans.length,
    writeOrder: WRITE_ORDER,
    policy: scenario.policy,
    threads: scenario.clients + 1,
    dirtyLimit: scenario.dirtyLimit,
    dirtyBackground: scenario.dirtyBackground,
    flushDelayMs: scenario.flushDelayMs,
  })
  const blocks = plans.map((plan) => plan.blocks)
  const arena = engine.formatArena(config, engine.geometryOf(config), plans, ID, ID)
  const allBlocks = blocks.reduce((a, b) => a + b, 0)
  return {
    scenario,
    buffer: arena.buffer,
    memory: arena.memory,
    disks,
    log,
    versions: new SharedArrayBuffer(allBlocks * 4),
  }
}

/** The calling thread's context, in one of the slots `first .. end-1`. */
export function contextIn(engine: Engine, setup: Setup, first: number, end: number): Context {
  const arena = engine.Arena.open(setup, ID, ID)
  const slot = engine.attachSlot(arena, first, end, first)
  return new engine.Context(arena, slot, {
    writeOrder: WRITE_ORDER,
    policy: setup.scenario.policy,
    deviceOf: ({ index }) => new CrashDevice(setup.disks[index]!, slot.index),
    mayBlock: true,
  })
}

/** The numbers that the engine gives to the disks' groups. */
export function groupsOf(scenario: Scenario): number[] {
  const names = [...new Set(scenario.disks.map((disk) => disk.group))]
  return scenario.disks.map((disk) => names.indexOf(disk.group))
}
