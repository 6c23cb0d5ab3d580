// A session on a real cache without a socket: bytes are fed in, and the bytes that it sends are collected.

import type { BlockCache } from 'dcache'
import { Exports } from '#dist/nbd/export.js'
import { Flushes } from '#dist/nbd/flushes.js'
import { Gate } from '#dist/nbd/gate.js'
import type { TlsState } from '#dist/nbd/handshake.js'
import { Session } from '#dist/nbd/session.js'
import { Turns } from '#dist/nbd/turns.js'

export interface Talk {
  readonly session: Session
  readonly said: () => Buffer
  readonly events: string[]
  /** Resolves when nothing is under way any more. */
  settle(): Promise<void>
}

export function talk(
  cache: BlockCache,
  names: readonly string[],
  tls: TlsState = 'none',
  turns = new Turns(),
  places = () => true,
): Talk {
  const chunks: Buffer[] = []
  const events: string[] = []
  const services = { flushes: new Flushes(cache), gate: new Gate(100), turns }
  const exports = new Exports(cache, names)
  const send = (bytes: Buffer, done: () => void) => {
    chunks.push(Buffer.from(bytes))
    done()
  }
  const session = new Session(exports, services, tls, send, {
    admit: places,
    opened: ({ exported }) => events.push(`opened ${exported.name}`),
    startTls: () => events.push('tls'),
    failed: (error) => events.push(`failed ${String(error)}`),
    over: (reason) => events.push(`over ${reason ?? ''}`),
    room: () => {},
  })
  return {
    session,
    events,
    said: () => Buffer.concat(chunks),
    async settle() {
      let before = -1
      // Idle for some turns after the last request was answered.
      for (let quiet = 0; quiet < 4;) {
        await new Promise((resolve) => setImmediate(resolve))
        quiet = session.isIdle && chunks.length === before ? quiet + 1 : 0
        before = chunks.length
      }
    },
  }
}
