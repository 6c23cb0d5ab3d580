/**
 * A device whose calls are in the flight recorder: `disk.read`, `disk.write` and `disk.fsync` of a partition, or of a journal
 * `journal.fsync`. Put in the place of a device when tracing is on; when it is off, there is nothing in between. Calls that fail
 * are recorded too: what a slow disk does before its error is worth knowing.
 */
import { performance } from 'node:perf_hooks'
import { TRACE, type Tracer } from '../../shared/trace.js'
import type { Device } from './device.js'

/** `index`, `blockSize`: those of the partition. */
export function tracedDevice(
  device: Device,
  tracer: Tracer,
  { index, blockSize }: { readonly index: number; readonly blockSize: number },
): Device {
  const record = (point: number, startMs: number, buffers: readonly Uint8Array[], position: number) => {
    tracer.span(point, index, Math.floor(position / blockSize), bytesOf(buffers), startMs)
  }
  return {
    readSync(targets, position) {
      const startMs = performance.now()
      try {
        device.readSync(targets, position)
      } finally {
        record(TRACE['disk.read'], startMs, targets, position)
      }
    },
    async read(targets, position) {
      const startMs = performance.now()
      try {
        await device.read(targets, position)
      } finally {
        record(TRACE['disk.read'], startMs, targets, position)
      }
    },
    writeSync(sources, position) {
      const startMs = performance.now()
      try {
        device.writeSync(sources, position)
      } finally {
        record(TRACE['disk.write'], startMs, sources, position)
      }
    },
    syncSync() {
      const startMs = performance.now()
      try {
        device.syncSync()
      } finally {
        record(TRACE['disk.fsync'], startMs, [], 0)
      }
    },
  }
}

/** The writes of a record are in `journal.write`, which the thread that writes it records. */
export function tracedJournal(
  device: Pick<Device, 'writeSync' | 'syncSync'>,
  tracer: Tracer,
  group: number,
): Pick<Device, 'writeSync' | 'syncSync'> {
  return {
    writeSync(sources, position) {
      device.writeSync(sources, position)
    },
    syncSync() {
      const startMs = performance.now()
      try {
        device.syncSync()
      } finally {
        tracer.span(TRACE['journal.fsync'], group, 0, 0, startMs)
      }
    },
  }
}

const bytesOf = (buffers: readonly Uint8Array[]): number =>
  buffers.reduce((sum, { length }) => sum + length, 0)
