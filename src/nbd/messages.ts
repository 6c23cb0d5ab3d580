/**
 * The messages between the threads and processes of a server; each direction is a closed union.
 */
import type { CacheHandle } from '../index.js'
import type { MonitorOptions } from '../monitor/index.js'
import type { PolicyName } from '../shared/options.js'
import type { PlaceWords } from './places.js'

/** Paths of PEM files. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** If given, clients must present a certificate that this authority signed. */
  readonly clientAuthority: string | undefined
}

/** The workerData of a connection worker. */
export interface WorkerStart {
  readonly handle: CacheHandle
  /** All exports are in one group, so a flush writes the changes of all. */
  readonly isOneGroup: boolean
  /** Names of the exports when the worker starts; the first is the default. */
  readonly exports: readonly string[]
  /** The worker's own copies of the listening sockets. */
  readonly descriptors: readonly number[]
  /** Index among the workers. */
  readonly thread: number
  /** Number of open connections, a word for each thread. */
  readonly connections: Int32Array<SharedArrayBuffer>
  /** Number of admitted clients, shared by all threads. */
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
  /** What happened, in one word, for programs that read the log. */
  readonly event: string
  /** The text of the line. */
  readonly message: string
  readonly fields: Readonly<Record<string, string | number | boolean | null>>
}

/** An order to a worker, which answers `done` with its number. */
export type Order =
  /** These are the exports from now on. */
  | { readonly kind: 'exports'; readonly names: readonly string[] }
  /** End the connections with this export, and answer when none is left. */
  | { readonly kind: 'end'; readonly name: string; readonly deadlineMs: number }

export type ToWorker = 'stop' | (Order & { readonly id: number })
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly id: number }
  | { readonly kind: 'log'; readonly entry: LogEntry }
  /** The last message of a worker that ends in order. */
  | { readonly kind: 'stopped' }

/** The first message to the engine process. */
export interface EngineSettings {
  /** All that there are at the start. */
  readonly exports: readonly ExportSettings[]
  /** Of these, the ones that stay until the end. */
  readonly fixed: readonly ExportSettings[]
  /** The file with the others, read again on request. */
  readonly exportsFile: string | undefined
  /** The most exports at a time. */
  readonly exportsMax: number
  /** All exports are then in its group (journal.ts). */
  readonly journal: JournalSetting | undefined
  readonly readOnly: boolean
  readonly memory: string
  readonly policy: PolicyName
  readonly threads: number
  readonly connectionsMax: number
  readonly handshakeMs: number
  readonly stallMs: number
  readonly flushDelayMs: number
  readonly json: boolean
  /** Where the page that shows the cache is served, if it is. */
  readonly monitor: MonitorOptions | undefined
  /** SIGHUP stops the server, instead of being ignored. */
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

export interface JournalSetting {
  /** Absolute. */
  readonly path: string
  /** Bytes of both halves; undefined: the size that the file has, or the default of `openCache`. */
  readonly sizeBytes: number | undefined
}

export type ToEngine = EngineSettings | 'stop' | 'holders' | 'reload'
export type FromEngine = { readonly kind: 'ready' } | { readonly kind: 'refused'; readonly message: string }
