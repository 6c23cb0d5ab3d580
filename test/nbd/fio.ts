// fio's nbd engine with verification: random writes, each with a checksum, which are read again during the run and at the
// end.

import { spawn } from 'node:child_process'

export const unixUri = (socket: string, name: string): string => `nbd+unix:///${name}?socket=${socket}`

export interface Verified {
  readonly errors: number
  /** How many blocks were written and read again. */
  readonly verified: number
  readonly output: string
}

export interface FioLoad {
  readonly seconds: number
  /** The size of the export. Each connection has a part of its own, so that the last checksum of a block is known. */
  readonly bytes: number
  readonly connections: number
  /** The folder for files that fio leaves. */
  readonly folder: string
  readonly name: string
}

export function fioVerify(
  uri: string,
  { seconds, bytes, connections, folder, name }: FioLoad,
): Promise<Verified> {
  const part = bytes / connections
  const args = [
    `--name=${name}`, '--ioengine=nbd', `--uri=${uri}`, '--rw=randwrite', '--bs=4k', '--iodepth=32',
    '--thread', `--numjobs=${connections}`, `--size=${part}`, `--offset_increment=${part}`, '--time_based',
    `--runtime=${seconds}`, '--verify=crc32c', '--verify_backlog=256', '--verify_fatal=1', '--randrepeat=0', '--group_reporting', '--output-format=json',
  ] // prettier-ignore
  return new Promise((resolve, reject) => {
    const child = spawn('fio', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, complaints] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
    child.once('error', reject)
    child.once('close', (status) => {
      const json = output.slice(output.indexOf('{'))
      const jobs = json.startsWith('{') ? (JSON.parse(json) as { jobs: FioJob[] }).jobs : []
      const errors = jobs.reduce((sum, job) => sum + (job.error === 0 ? 0 : 1), status === 0 ? 0 : 1)
      const verified = jobs.reduce((sum, job) => sum + Math.min(job.read.total_ios, job.write.total_ios), 0)
      resolve({ errors, verified, output: `${complaints}\n${errors > 0 ? output : ''}` })
    })
  })
}

interface FioJob {
  readonly error: number
  readonly read: { readonly total_ios: number }
  readonly write: { readonly total_ios: number }
}
