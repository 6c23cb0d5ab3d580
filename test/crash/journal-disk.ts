/**
 * A file on a disk that forgets, for journals and the partitions that they belong to: what a write leaves is seen at once, and is
 * durable after a successful sync. After a crash each sector written since has its old contents or those of one of the
 * writes. A failed write has done any part of its work. A failed sync leaves the writes before it undecided, and a later sync
 * does not change that, as on Linux.
 */
import type { Storage } from '#dist/core/journal/storage.js'
import type { Random } from './random.js'
import { SECTOR } from './sectors.js'

/** The machine stops: every call fails from here on. */
export class Stopped extends Error {}

/** What goes wrong with the calls of all files of a machine. */
export class Machine {
  readonly random: Random
  /** The share of calls that fail. */
  faults = 0
  /** How many further calls are made before the machine stops. */
  callsLeft = Infinity
  calls = 0

  constructor(random: Random) {
    this.random = random
  }

  /** Counts a call; returns whether it fails. @throws Stopped */
  call(): boolean {
    if (this.callsLeft-- <= 0) throw new Stopped('the machine has stopped')
    this.calls++
    return this.random.chance(this.faults)
  }
}

/** With which chances a crash leaves the last write of a sector, and any of what it may have. Otherwise it leaves the oldest. */
const CRASHES = [
  { last: 0, any: 0 },
  { last: 1, any: 0 },
  { last: 0, any: 1 },
  { last: 0.85, any: 0 },
  { last: 0.15, any: 0 },
]

export class ForgetfulFile implements Storage {
  readonly #machine: Machine
  /** What reads see. */
  readonly contents: Uint8Array
  readonly #durable: Uint8Array
  /** What may be on the disk, for sectors of which that is not decided: the durable contents, then each write. */
  readonly #possible = new Map<number, Uint8Array[]>()
  readonly #dirty = new Set<number>()

  constructor(machine: Machine, durable: Uint8Array) {
    this.#machine = machine
    this.#durable = durable
    this.contents = durable.slice()
  }

  async read(target: Uint8Array, position: number): Promise<void> {
    this.readNow(target, position)
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.writeNow(source, position)
  }

  async sync(): Promise<void> {
    this.syncNow()
  }

  readNow(target: Uint8Array, position: number): void {
    this.#machine.call() // a failed read is no crash of its own, and is not what is tested
    target.set(this.contents.subarray(position, position + target.length))
  }

  writeNow(source: Uint8Array, position: number): void {
    const fails = this.#machine.call()
    for (let at = 0; at < source.length; at += SECTOR) {
      if (fails && this.#machine.random.chance(0.5)) continue
      this.#writeSector((position + at) / SECTOR, source.slice(at, at + SECTOR))
    }
    if (fails) throw Object.assign(new Error('EIO, write'), { code: 'EIO', errno: -5 })
  }

  #writeSector(sector: number, bytes: Uint8Array): void {
    const at = sector * SECTOR
    const possible = this.#possible.get(sector) ?? [this.#durable.slice(at, at + SECTOR)]
    possible.push(bytes)
    this.#possible.set(sector, possible)
    this.#dirty.add(sector)
    this.contents.set(bytes, at)
  }

  syncNow(): void {
    const fails = this.#machine.call()
    if (!fails)
      for (const sector of this.#dirty) {
        this.#possible.delete(sector)
        const at = sector * SECTOR
        this.#durable.set(this.contents.subarray(at, at + SECTOR), at)
      }
    this.#dirty.clear()
    if (fails) throw Object.assign(new Error('EIO, fsync'), { code: 'EIO', errno: -5 })
  }

  /** What may be on the disk if the machine stops now. */
  afterCrash(random: Random): Uint8Array {
    const image = this.#durable.slice()
    const crash = random.pick(CRASHES)
    for (const [sector, possible] of this.#possible) {
      const any = random.chance(crash.any) ? random.below(possible.length) : 0
      const picked = random.chance(crash.last) ? possible.length - 1 : any
      image.set(possible[picked]!, sector * SECTOR)
    }
    return image
  }
}
