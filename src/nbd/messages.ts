/**
 * What the threads and processes of a server say to each other, each a closed union.
 */
import type { CacheHandle } from '../index.js'
import type { PlaceWords } from './places.js'

/** Certificates, as paths of PEM files. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** Clients have to show a certificate that this authority signed. */
  readonly clientAuthority: string | undefined
}

/** For a connection worker, as its workerData. */
export interface WorkerStart {
  readonly handle: CacheHandle
  /** Names of the exports, in the order in which they were given; the first is the default. */
  readonly exports: readonly string[]
  /** Listening sockets of its own. */
  readonly descriptors: readonly number[]
  /** Place among the workers. */
  readonly thread: number
  /** Open connections, a word for each thread. */
  readonly connections: Int32Array<SharedArrayBuffer>
  /** Places of clients that have chosen an export. */
  readonly places: PlaceWords
  readonly connectionsMax: number
  readonly handshakeMs: number
  readonly stallMs: number
  readonly tls: TlsContents | undefined
}

export interface TlsContents {
  readonly cert: string
  readonly key: string
  readonly ca: string | undefined
}

/** One line of the log. */
export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error'
  /** For machines: what happened, in a word. */
  readonly event: string
  /** For people. */
  readonly message: string
  readonly fields: Readonly<Record<string, string | number | boolean | null>>
}

export type ToWorker = 'stop'
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly entry: LogEntry }
  /** The last word before it ends by itself. */
  | { readonly kind: 'stopped' }

/** For the engine process, its first message. */
export interface EngineSettings {
  readonly exports: readonly ExportSettings[]
  readonly memory: string
  readonly policy: 'lru2' | '2q'
  readonly threads: number
  readonly connectionsMax: number
  readonly handshakeMs: number
  readonly stallMs: number
  readonly flushDelayMs: number
  readonly json: boolean
  /** SIGHUP asks for the end, and is not ignored. */
  readonly endsAtHangup: boolean
  readonly tls: TlsContents | undefined
  /** For each generation of a worker, a copy of each listening socket. */
  readonly descriptors: readonly (readonly number[])[]
}

export interface ExportSettings {
  readonly name: string
  readonly path: string
  readonly blockSize: number
  readonly readOnly: boolean
}

export type ToEngine = EngineSettings | 'stop' | 'holders'
export type FromEngine = { readonly kind: 'ready' } | { readonly kind: 'refused'; readonly message: string }
