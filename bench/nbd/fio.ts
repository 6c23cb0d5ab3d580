/**
 * fio's nbd engine as the client: random requests of 4 KiB, with a fixed number in progress on each connection; or writes of
 * which each is followed by a FLUSH, one request at a time.
 */
import { spawn } from 'node:child_process'

export const DEPTH = 32

export interface FioRun {
  readonly uri: string
  readonly operation: 'randread' | 'randwrite' | 'read' | 'commit'
  readonly connections: number
  /** Size of the export in bytes. */
  readonly bytes: number
  /** Duration in milliseconds; undefined: once through the whole export. */
  readonly ms: number | undefined
  /** Length of a random request in bytes. Default: 4 KiB. */
  readonly requestBytes?: number
  /** Working directory, for the files that fio leaves. */
  readonly folder: string
}

export interface FioResult {
  readonly perSecond: number
  /** The 99th percentile of a request's time, in microseconds. */
  readonly p99Us: number
}

interface Direction {
  readonly iops: number
  readonly total_ios: number
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> }
}
interface Job {
  readonly error: number
  readonly read: Direction
  readonly write: Direction
}

/** Runs fio. @throws if fio or a request fails */
export async function runFio(run: FioRun): Promise<FioResult> {
  const { uri, operation, connections, bytes, ms, requestBytes = 4096, folder } = run
  const isCommit = operation === 'commit'
  const args = [
    '--name=bench', '--ioengine=nbd', `--uri=${uri}`, `--rw=${isCommit ? 'randwrite' : operation}`, `--size=${bytes}`, '--thread',
    `--numjobs=${connections}`, `--iodepth=${isCommit ? 1 : DEPTH}`, operation === 'read' ? '--bs=256k' : `--bs=${requestBytes}`, '--randrepeat=0', ...(isCommit ? ['--fsync=1'] : []),
    '--norandommap', ...(ms === undefined ? [] : ['--time_based', `--runtime=${ms}ms`]), '--group_reporting', '--output-format=json',
  ] // prettier-ignore
  const child = spawn('fio', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const json = output.slice(output.indexOf('{'))
  const [job] = status === 0 ? (JSON.parse(json) as { jobs: Job[] }).jobs : []
  if (job?.error !== 0) throw new Error(`fio on ${uri} ended with ${status}:\n${output.slice(-2000)}`)
  const { iops, total_ios, clat_ns } = operation === 'randwrite' || isCommit ? job.write : job.read
  if (total_ios === 0) throw new Error(`fio on ${uri} did nothing:\n${output.slice(-2000)}`)
  return { perSecond: iops, p99Us: (clat_ns.percentile?.['99.000000'] ?? 0) / 1000 }
}
