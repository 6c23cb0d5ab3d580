/**
 * Short writes: the system may take fewer bytes than it was given. The file device goes on with the rest, and reports a
 * write that takes nothing.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import fs, { closeSync, openSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { FileDevice } from '#dist/core/file-device.js'
import { tempFolder } from '../support/temp.js'

/** Runs `body` where a write takes at most `limit` bytes. */
function withShortWrites(limit: number, body: () => void): void {
  const whole = fs.writeSync
  const short = (
    fd: number,
    data: NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    position: number,
  ) => (limit === 0 ? 0 : whole(fd, data, offset, Math.min(length, limit), position))
  Object.assign(fs, { writeSync: short })
  syncBuiltinESMExports()
  try {
    body()
  } finally {
    Object.assign(fs, { writeSync: whole })
    syncBuiltinESMExports()
  }
}

const source = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) & 0xff)

test('a short write is continued where it stopped', () => {
  using folder = tempFolder()
  const path = folder.write('disk', '\0'.repeat(16384))
  const fd = openSync(path, 'r+')
  try {
    withShortWrites(1000, () => new FileDevice(fd, 4096).writeSync(source, 8192))
  } finally {
    closeSync(fd)
  }
  const found = readFileSync(path)
  assert.is(found.length, 16384)
  assert.equal(found.subarray(12288), Buffer.from(source))
  assert.ok(found.subarray(0, 12288).every((byte) => byte === 0))
})

test('a write that takes nothing is an error, not an endless loop', () => {
  using folder = tempFolder()
  const fd = openSync(folder.write('disk', '\0'.repeat(8192)), 'r+')
  try {
    withShortWrites(0, () => {
      assert.throws(
        () => new FileDevice(fd, 0).writeSync(source, 0),
        (error: NodeJS.ErrnoException) => error.code === 'ENOSPC',
      )
    })
  } finally {
    closeSync(fd)
  }
})

test.run()
