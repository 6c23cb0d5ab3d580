/**
 * `dcache serve`: serves files as network block devices (NBD) through one cache that all connections share.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import { resolve } from 'node:path'
import type { MonitorOptions } from '../monitor/index.js'
import { launch } from '../nbd/launcher.js'
import { openLog } from '../nbd/log.js'
import { BLOCK_SIZE_DEFAULT, parseExport, readExports, type WrittenExport } from '../nbd/export-list.js'
import { parseJournal } from '../nbd/journal.js'
import type { ExportSettings, JournalSetting, TlsFiles } from '../nbd/messages.js'
import { printable } from '../nbd/printable.js'
import { readTls } from '../nbd/tls-files.js'
import { POLICIES } from '../shared/config.js'
import type { PolicyName } from '../shared/options.js'
import { number, whole } from './load-settings.js'
import { monitorOption } from './monitor-option.js'

const EXIT_USAGE = 2
/** With a file of exports. */
const EXPORTS_MAX_DEFAULT = 8

interface ServeOptions {
  readonly export: readonly WrittenExport[]
  readonly exports?: string
  readonly maxExports?: number
  readonly journal?: JournalSetting
  readonly unix?: string
  readonly port?: number
  readonly host: string
  readonly threads: number
  readonly memory: string
  readonly policy: PolicyName
  readonly readOnly: boolean
  readonly connections: number
  readonly handshakeTimeout: number
  readonly stallTimeout: number
  readonly flushDelay: number
  readonly monitor?: MonitorOptions
  readonly tlsCertificate?: string
  readonly tlsKey?: string
  readonly tlsClientAuthority?: string
  readonly json: boolean
}

export function serveCommand(): Command {
  return new Command('serve')
    .description(
      'Serve files as network block devices (the NBD protocol) that qemu, nbdcopy, fio, nbdfuse and the Linux kernel can ' +
        'use. All connections share one cache.\n\nWithout certificates, every program that can reach the socket may read ' +
        'and write: with --unix the permissions of its folder and mode decide, with --port every user of this machine can.',
    ) // prettier-ignore
    .addOption(
      new Option(
        '--export <name=path[:blocksize]>',
        `a file or device, and its name for clients; the number after the last colon is the block size in bytes (default ${BLOCK_SIZE_DEFAULT}); ` +
          'repeatable',
      )
        .argParser(addExport)
        .default([], 'none'),
    )
    .option(
      '--exports <file>',
      'a file with further exports, one a line, as in --export; lines that begin with # are comments; SIGHUP reads it again',
    )
    .option(
      '--max-exports <count>',
      `with --exports, limit of exports at a time; they divide the memory for changes that are not written yet evenly (default: ${EXPORTS_MAX_DEFAULT})`,
      whole(1, 256),
    )
    .option(
      '--journal <file[:size]>',
      'all exports share a journal in this file: after a crash each is what it was at one moment, no block is torn, and what was ' +
        'flushed is there; the size is in bytes or such as 64MiB',
      journalOf,
    )
    .option('--unix <socket>', 'listen on a Unix socket')
    .option('--port <number>', 'listen on a TCP port; 0: any free port', whole(0, 65_535))
    .option('--host <address>', 'the address to listen on, with --port', '127.0.0.1')
    .option('--threads <count>', 'number of threads that serve connections', whole(1, 64), 2)
    .option('--memory <size>', 'memory of the cache, such as 256MiB', '256MiB')
    .addOption(
      new Option('--policy <name>', 'how the cache chooses victims').choices(POLICIES).default('adaptive'),
    )
    .option('--read-only', 'refuse all writes', false)
    .option('--connections <count>', 'limit of concurrent clients with an export', whole(1, 10_000), 64)
    .option(
      '--handshake-timeout <seconds>',
      'deadline for a client to choose an export',
      number(0, 3600, false),
      10,
    )
    .option(
      '--stall-timeout <seconds>',
      'drop a client that stalls for this long within a message',
      number(0, 3600, false),
      60,
    )
    .option(
      '--flush-delay <seconds>',
      'start to write a change to the disk after this time',
      number(0, 3600),
      5,
    )
    .option('--tls-certificate <file>', "the server's certificate (PEM); clients must then use TLS")
    .option('--tls-key <file>', 'the private key of the certificate (PEM)')
    .option(
      '--tls-client-authority <file>',
      'clients must present a certificate that this authority signed (PEM)',
    )
    .addOption(monitorOption())
    .option('--json', 'log one JSON object a line', false)
    .addHelpText(
      'after',
      '\nSockets of systemd (LISTEN_FDS) replace --unix and --port.\n' +
        'SIGTERM or Ctrl-C stops the server, which finishes requests and flushes all changes. A second one exits at once.\n' +
        'SIGHUP reads the file of --exports again: exports are added and removed, and get the sizes of their files.\n' +
        'SIGUSR2 logs which blocks and locks each thread holds or waits for.\n' +
        'Exit codes: 0 all changes are on the disks, 1 a change could not be written, 2 the server could not start.',
    )
    .action(async (options: ServeOptions) => {
      process.exitCode = await serve(options)
    })
}

async function serve(options: ServeOptions): Promise<number> {
  const { log, sink } = openLog(options.json)
  try {
    const files = tlsFilesOf(options)
    return await launch(
      {
        ...exportsOf(options),
        journal: options.journal,
        readOnly: options.readOnly,
        memory: options.memory,
        policy: options.policy,
        threads: options.threads,
        connectionsMax: options.connections,
        handshakeMs: options.handshakeTimeout * 1000,
        stallMs: options.stallTimeout * 1000,
        flushDelayMs: Math.round(options.flushDelay * 1000),
        json: options.json,
        monitor: options.monitor,
        tls: files && readTls(files, log),
      },
      { unix: options.unix, port: options.port, host: options.host },
      log,
      sink,
    )
  } catch (error) {
    sink.line(printable(`dcache: ${(error as Error).message}`))
    return EXIT_USAGE
  } finally {
    await sink.end()
  }
}

/** @throws with a message for the user */
function tlsFilesOf({ tlsCertificate, tlsKey, tlsClientAuthority }: ServeOptions): TlsFiles | undefined {
  if (tlsCertificate === undefined && tlsKey === undefined && tlsClientAuthority === undefined)
    return undefined
  if (tlsCertificate === undefined || tlsKey === undefined)
    throw new Error('TLS needs both --tls-certificate and --tls-key')
  return { certificate: tlsCertificate, key: tlsKey, clientAuthority: tlsClientAuthority }
}

/** @throws with a message for the user */
function exportsOf(options: ServeOptions) {
  const { exports: exportsFile, readOnly } = options
  if (readOnly && options.journal !== undefined)
    throw new Error('--journal is for exports that are written: leave out --read-only, or --journal')
  const withAccess = (each: WrittenExport): ExportSettings => ({ ...each, readOnly })
  const fixed = options.export.map(withAccess)
  if (exportsFile === undefined) {
    if (fixed.length === 0) throw new Error('no export: give --export NAME=PATH or --exports FILE')
    if (options.maxExports !== undefined) throw new Error('--max-exports needs --exports')
    return { fixed, exports: fixed, exportsFile, exportsMax: fixed.length }
  }
  const path = resolve(exportsFile)
  const names = fixed.map(({ name }) => name)
  const exports = [...fixed, ...readExports(path, names).map(withAccess)]
  const { maxExports: exportsMax = EXPORTS_MAX_DEFAULT } = options
  if (exports.length > exportsMax)
    throw new Error(`there are ${exports.length} exports, and --max-exports is ${exportsMax}`)
  return { fixed, exports, exportsFile: path, exportsMax }
}

function journalOf(text: string): JournalSetting {
  try {
    return parseJournal(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

function addExport(text: string, before: readonly WrittenExport[]): readonly WrittenExport[] {
  const names = before.map(({ name }) => name)
  try {
    return [...before, parseExport(text, names)]
  } catch (error) {
    throw new InvalidArgumentError(`It ${(error as Error).message}.`)
  }
}
