/**
 * A slow disk: every write sleeps for the time that its bytes take at the rate of the disk, and every fsync for a fixed
 * time, both after the call of the system. The file itself should be on a fast disk.
 */
import type { Edit } from './engine-copy.js'

export const SYNC_MS = 8
export const BYTES_PER_MS = 50_000

/** For a table. */
export const SLOW = `slowed to ${SYNC_MS} ms and ${BYTES_PER_MS / 1000} MB/s`

const word = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps as long as the slow disk needs for a write of this many bytes and an fsync. */
export function sleepAsSlow(bytes: number): void {
  Atomics.wait(word, 0, 0, bytes / BYTES_PER_MS + SYNC_MS)
}

/** Slows the files of a copy of the engine. All threads of the copy write through this class. */
export const SLOW_DISK: readonly Edit[] = [
  {
    file: 'core/device/file-device.js',
    find: 'export {\n  FileDevice\n};',
    replace: `
const slowWord = new Int32Array(new SharedArrayBuffer(4));
const { writeSync: fastWrite, syncSync: fastSync } = FileDevice.prototype;
FileDevice.prototype.writeSync = function(sources, position) {
  fastWrite.call(this, sources, position);
  const bytes = sources.reduce((sum, source) => sum + source.length, 0);
  Atomics.wait(slowWord, 0, 0, bytes / ${BYTES_PER_MS});
};
FileDevice.prototype.syncSync = function() {
  fastSync.call(this);
  Atomics.wait(slowWord, 0, 0, ${SYNC_MS});
};
export { FileDevice };
`,
  },
]
