/**
 * One step of one client: where it stands in its operation, and the ways to go on.
 */
import type { Effect } from './images.js'
import type { Model } from './model.js'
import type { Operation } from './scenarios.js'
import { runSection } from './section.js'
import { Block, blockAt, Client, clientAt, type State } from './state.js'

/** One client's operation, in the state that it is in now. */
export class Turn {
  readonly m: Model
  readonly now: State
  readonly actor: number
  readonly client: number
  /** Of the client. */
  readonly at: number
  readonly operation: Operation
  readonly block: number
  /** Of the block. */
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

  /** Held, and not on its way back. */
  get isHeld(): boolean {
    return this.now[this.frame + Block.latch] === this.actor
  }

  /** The next operation. */
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

  /** The next step of this one. */
  go(step: number): Effect {
    return (_m, s) => {
      s[this.at + Client.step] = step
    }
  }

  advance(s: State): void {
    s[this.at + Client.operation]!++
    s.fill(0, this.at + Client.step, this.at + Client.size)
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
