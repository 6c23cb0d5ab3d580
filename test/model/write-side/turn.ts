/**
 * One step of one client: its position in the operation, and the possible continuations.
 */
import type { Effect } from './images.js'
import type { Model } from './model.js'
import type { Operation } from './scenarios.js'
import { runSection } from './section.js'
import { Block, blockAt, Client, clientAt, type State } from './state.js'

/** One client's operation in its present state. */
export class Turn {
  readonly m: Model
  readonly now: State
  readonly actor: number
  readonly client: number
  /** The index of the client's record. */
  readonly at: number
  readonly operation: Operation
  readonly block: number
  /** The index of the block's record. */
  readonly frame: number
  readonly step: number

  constructor(m: Model, client: number, operation: Operation) {
    this.m = m
    this.now = m.now
    this.actor = client + 1
    this.client = client
    this.at = clientAt(client)
    this.operation = operation
    this.block = operation.block
    this.frame = blockAt(operation.block < 0 ? 0 : operation.block)
    this.step = m.now[this.at + Client.step]!
  }

  /** Whether the client holds the block and is not releasing it. */
  get isHeld(): boolean {
    return this.now[this.frame + Block.latch] === this.actor
  }

  /** Proceeds to the next operation. */
  next(): Effect {
    return (_m, s) => {
      this.advance(s)
    }
  }

  unlatch(): Effect {
    return (_m, s) => {
      s[this.frame + Block.latch] = 0
    }
  }

  /** Proceeds to the next step of this operation. */
  go(step: number): Effect {
    return (_m, s) => {
      s[this.at + Client.step] = step
    }
  }

  advance(s: State): void {
    s[this.at + Client.operation]!++
    s.fill(0, this.at + Client.step, this.at + Client.size)
  }

  /** As `advance`; what the client has read for this block stays, for mistakes only. */
  advanceHolding(s: State): void {
    const epoch = s[this.at + Client.epoch]!
    this.advance(s)
    s[this.at + Client.epoch] = epoch
  }

  section(what: string, body: readonly Effect[], after: readonly Effect[], leavesPending = false): void {
    const { writeClass } = this.operation
    runSection(this.m, this.actor, { what, block: this.block, writeClass, body, after, leavesPending })
  }

  move(what: string, step: number, change?: (s: State) => void): void {
    const s = this.m.begin()
    change?.(s)
    s[this.at + Client.step] = step
    this.end(what)
  }

  pass(what: string): void {
    this.advance(this.m.begin())
    this.end(what)
  }

  end(what: string): void {
    this.m.end(this.actor, what, this.block)
  }
}
