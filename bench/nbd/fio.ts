/**
 * fio's nbd engine as the client: random requests of 4 KiB, so many at a time on each connection.
 */
import { spawn } from 'node:child_process'

export const DEPTH = 32

export interface FioRun {
  readonly uri: string
  readonly operation: 'randread' | 'randwrite' | 'read'
  readonly connections: number
  /** Of the export. */
  readonly bytes: number
  /** Milliseconds; undefined: once through the whole export. */
  readonly ms: number | undefined
  /** For what fio leaves behind. */
  readonly folder: string
}

export interface FioResult {
  readonly perSecond: number
  /** Of a request, microseconds: 99 % are faster. */
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

/** @throws when fio fails, or a request does */
export async function runFio({ uri, operation, connections, bytes, ms, folder }: FioRun): Promise<FioResult> {
  const args = [
    '--name=bench', '--ioengine=nbd', `--uri=${uri}`, `--rw=${operation}`, `--size=${bytes}`, '--thread',
    `--numjobs=${connections}`, `--iodepth=${DEPTH}`, operation === 'read' ? '--bs=256k' : '--bs=4k', '--randrepeat=0',
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
  const { iops, total_ios, clat_ns } = operation === 'randwrite' ? job.write : job.read
  if (total_ios === 0) throw new Error(`fio on ${uri} did nothing:\n${output.slice(-2000)}`)
  return { perSecond: iops, p99Us: (clat_ns.percentile?.['99.000000'] ?? 0) / 1000 }
}
