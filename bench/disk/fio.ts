/**
 * Measures the disk with fio, a common disk benchmark, if it is installed.
 */
import { spawnSync } from 'node:child_process'
import type { Folder } from '../harness/folder.js'
import type { Column, Row } from '../harness/report.js'
import type { BenchSettings } from '../harness/suite.js'
import { BLOCK_SIZE } from './workload.js'

export const FIO: readonly Column[] = [{ key: 'perSecond', title: 'bytes written', unit: '/s' }]

interface FioReport {
  readonly jobs: readonly { readonly write: { readonly bw_bytes: number } }[]
}

export function measureFio(folder: Folder, { smoke }: BenchSettings, leftOut: string[]): Row[] {
  if (spawnSync('fio', ['--version']).status !== 0) {
    leftOut.push('fio is not installed here')
    return []
  }
  return [0, 1].map((direct) => {
    const blocks = smoke ? 32 : 8192
    const run = spawnSync('fio', [
      '--name=dcache',
      `--filename=${folder.path(`fio-${direct}`)}`,
      '--rw=randwrite',
      '--ioengine=psync',
      `--bs=${BLOCK_SIZE}`,
      `--filesize=${(smoke ? 256 : 2 ** 17) * BLOCK_SIZE}`,
      `--io_size=${blocks * BLOCK_SIZE}`,
      `--direct=${direct}`,
      '--end_fsync=1',
      '--output-format=json',
    ])
    if (run.status !== 0) {
      leftOut.push(`fio with direct=${direct}: ${run.stderr.toString().trim().slice(0, 200)}`)
      return { parameters: { io: direct ? 'direct' : 'buffered' }, figures: { perSecond: null } }
    }
    const { jobs } = JSON.parse(run.stdout.toString()) as FioReport
    return {
      parameters: { io: direct ? 'direct' : 'buffered' },
      figures: { perSecond: jobs[0]!.write.bw_bytes },
    }
  })
}
