/**
 * Walks a log. At each point where a crash could leave other disks than before, it makes the images that the crash could
 * leave: the durable contents with any choice of the pending writes, whole or torn between sectors. If few writes are
 * pending, it tries all choices; otherwise the most relevant ones (each write alone, all except one) and random others.
 */
import { History } from './history.js'
import { type Breach, type Image, Judge } from './judge.js'
import { KIND, type LogRecord } from './log.js'
import { Random } from './random.js'
import type { Scenario } from './scenario.js'

/** A write that a crash may keep or lose. */
export interface PendingWrite {
  readonly seq: number
  readonly partition: number
  readonly block: number
  readonly firstSector: number
  readonly versions: readonly number[]
  /** The write or a sync after it failed, so that no later sync makes it durable. */
  isUndecided: boolean
}

/** A pending write that the crash kept, and which of its sectors. */
export interface Survivor {
  readonly write: PendingWrite
  readonly mask: number
}

/** A crash that breaks a promise. */
export interface Finding {
  readonly kind: Breach['kind'] | 'unreleased' | 'unstable'
  /** The last record before the crash. */
  readonly seq: number
  readonly survivors: readonly Survivor[]
  readonly breach: Breach | undefined
  /** The write whose own contents are wrong. */
  readonly record: LogRecord | undefined
}

export interface WalkOptions {
  /** How many random choices are tried at each point, in addition to the fixed ones. */
  readonly samples: number
  /** With up to this many pending writes, every choice is tried. */
  readonly completeUpTo: number
  /** The hashes of the images seen. */
  readonly seen: Set<number>
}

const wholeMask = (write: PendingWrite): number => (1 << write.versions.length) - 1

export class CrashWalk {
  readonly history: History
  readonly #judge: Judge
  readonly #records: readonly LogRecord[]
  readonly #options: WalkOptions
  readonly #random: Random
  readonly #salt: number
  readonly #durable: Image
  readonly #image: Image
  #pending: PendingWrite[] = []
  /** How many images were judged; the same image counts again at another point. */
  judged = 0

  constructor(scenario: Scenario, records: readonly LogRecord[], options: WalkOptions) {
    this.history = new History(scenario, records)
    this.#judge = new Judge(this.history)
    this.#records = records
    this.#options = options
    this.#random = new Random(scenario.seed ^ 0x77)
    this.#salt = scenario.seed
    this.#durable = new Int32Array(this.history.sectors)
    this.#image = new Int32Array(this.history.sectors)
  }

  /** The first crash that breaks a promise. */
  run(): Finding | undefined {
    for (const record of this.#records) {
      const finding = this.#step(record)
      if (finding) return finding
    }
    return undefined
  }

  #step(record: LogRecord): Finding | undefined {
    switch (record.kind) {
      case KIND.WRITE:
      case KIND.WRITE_FAILED: {
        if (!this.#isReleased(record)) return this.#wrong('unreleased', record)
        this.#write(record)
        break
      }
      case KIND.UNSTABLE:
        return this.#wrong('unstable', record)
      case KIND.SYNC_OK:
        this.#sync(record)
        break
      case KIND.SYNC_FAILED:
        for (const write of this.#pending) if (write.partition === record.partition) write.isUndecided = true
        break
      case KIND.ACK:
        this.#judge.acknowledge(record.partition, record.value, record.extra || undefined)
        break
      default:
        return undefined
    }
    return this.#crash(record.seq)
  }

  #wrong(kind: 'unreleased' | 'unstable', record: LogRecord): Finding {
    return { kind, seq: record.seq, survivors: [], breach: undefined, record }
  }

  /** Whether a write has exactly the bytes of one release. */
  #isReleased({ seq, partition, block, sectors }: LogRecord): boolean {
    const history = this.history.block(partition, block)
    const version = Math.max(...sectors)
    if (
      sectors.some((sector, i) => version > history.changes.length || sector !== history.sectorAt(version, i))
    ) {
      return false
    }
    return version === 0 || history.changes[version - 1]!.begin < seq
  }

  #write({ seq, kind, partition, block, sectors }: LogRecord): void {
    const { firstSector } = this.history.block(partition, block)
    const isUndecided = kind === KIND.WRITE_FAILED
    this.#pending.push({ seq, partition, block, firstSector, versions: sectors, isUndecided })
  }

  /** Makes the writes durable that began before the sync and have kept their marks. */
  #sync({ partition, value }: LogRecord): void {
    const synced = this.#pending.filter(
      (write) => write.partition === partition && !write.isUndecided && write.seq < value,
    )
    for (const { firstSector, versions } of synced) this.#durable.set(versions, firstSector)
    this.#pending = this.#pending.filter(
      (write) => !synced.some((other) => other.firstSector === write.firstSector && other.seq >= write.seq),
    )
  }

  #crash(seq: number): Finding | undefined {
    for (const survivors of this.#choices()) {
      const breach = this.#judgeChoice(survivors)
      if (breach)
        return {
          kind: breach.kind,
          seq,
          survivors: this.#least(survivors, breach),
          breach,
          record: undefined,
        }
    }
    return undefined
  }

  #judgeChoice(survivors: readonly Survivor[]): Breach | undefined {
    this.#apply(survivors)
    this.#options.seen.add(this.#hash())
    this.judged++
    return this.#judge.breach(this.#image)
  }

  *#choices(): Generator<readonly Survivor[]> {
    const pending = this.#pending
    const all = pending.map((write) => ({ write, mask: wholeMask(write) }))
    yield []
    if (pending.length === 0) return
    yield all
    if (pending.length <= this.#options.completeUpTo) {
      for (let choice = 1; choice < 2 ** pending.length - 1; choice++) {
        yield all.filter((_, i) => (choice & (1 << i)) !== 0)
      }
    } else {
      for (const survivor of all) yield [survivor]
      for (const survivor of all) yield all.filter((other) => other !== survivor)
    }
    for (const { write } of all) yield [{ write, mask: this.#tear(write) }]
    for (let i = 0; i < this.#options.samples; i++) {
      const share = this.#random.next()
      yield pending
        .filter(() => this.#random.chance(share))
        .map((write) => ({ write, mask: this.#random.chance(0.5) ? this.#tear(write) : wholeMask(write) }))
    }
  }

  #tear(write: PendingWrite): number {
    return 1 + this.#random.below(wholeMask(write))
  }

  #apply(survivors: readonly Survivor[]): void {
    this.#image.set(this.#durable)
    for (const { write, mask } of survivors) {
      for (let sector = 0; sector < write.versions.length; sector++) {
        if ((mask & (1 << sector)) !== 0) this.#image[write.firstSector + sector] = write.versions[sector]!
      }
    }
  }

  /** A hash of 52 bits of the image and its run. */
  #hash(): number {
    let [a, b] = [this.#salt, ~this.#salt]
    for (let i = 0; i < this.#image.length; i++) {
      a = Math.imul(a ^ this.#image[i]!, 0x01000193) ^ (a >>> 15)
      b = Math.imul(b + this.#image[i]!, 0x85ebca6b) ^ (b >>> 13)
    }
    return (a >>> 0) * 2 ** 20 + (b >>> 12)
  }

  /** Reduces a breach to the fewest writes and sectors that still show it. */
  #least(survivors: readonly Survivor[], breach: Breach): readonly Survivor[] {
    const isSame = (choice: readonly Survivor[]) => {
      this.#apply(choice)
      return this.#judge.breach(this.#image)?.kind === breach.kind
    }
    let least = [...survivors]
    for (const survivor of survivors) {
      const fewer = least.filter((other) => other !== survivor)
      if (isSame(fewer)) least = fewer
    }
    return least
  }
}
