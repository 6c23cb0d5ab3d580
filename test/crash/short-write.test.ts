/**
 * Short writes: the system may write fewer bytes than it was given. The file device then continues with the rest, and
 * reports an error if a call writes nothing.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import fs, { closeSync, openSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { FileDevice } from '#dist/core/device/file-device.js'
import { tempFolder } from '../support/temp.js'

/** Runs `body` while each call writes at most `limit` bytes. */
function withShortWrites(limit: number, body: () => void): void {
  const whole = fs.writeSync
  const short = (
    fd: number,
    data: NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    position: number,
  ) => (limit === 0 ? 0 : whole(fd, data, offset, Math.min(length, limit), position))
  const wholes = fs.writevSync
  // As much of the first buffers as the limit allows.
  const shorts = (fd: number, buffers: readonly Uint8Array[], position: number) =>
    whole(fd, Buffer.concat(buffers).subarray(0, limit), 0, undefined, position)
  Object.assign(fs, { writeSync: short, writevSync: shorts })
  syncBuiltinESMExports()
  try {
    body()
  } finally {
    Object.assign(fs, { writeSync: whole, writevSync: wholes })
    syncBuiltinESMExports()
  }
}

const source = Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) & 0xff)

test('a short write is continued where it stopped', () => {
  using folder = tempFolder()
  const path = folder.write('disk', '\0'.repeat(16384))
  const fd = openSync(path, 'r+')
  try {
    withShortWrites(1000, () => new FileDevice(fd, 4096).writeSync([source], 8192))
  } finally {
    closeSync(fd)
  }
  const found = readFileSync(path)
  assert.is(found.length, 16384)
  assert.equal(found.subarray(12288), Buffer.from(source))
  assert.ok(found.subarray(0, 12288).every((byte) => byte === 0))
})

test('a short write of several buffers is continued within a buffer and at a boundary', () => {
  for (const limit of [1, 700, 1024, 1025, 3000]) {
    using folder = tempFolder()
    const path = folder.write('disk', '\0'.repeat(8192))
    const fd = openSync(path, 'r+')
    try {
      const sources = Array.from({ length: 4 }, (_, i) => source.subarray(i * 1024, (i + 1) * 1024))
      withShortWrites(limit, () => new FileDevice(fd, 512).writeSync(sources, 1024))
    } finally {
      closeSync(fd)
    }
    const found = readFileSync(path)
    assert.equal(found.subarray(1536, 1536 + 4096), Buffer.from(source))
    assert.ok(found.subarray(0, 1536).every((byte) => byte === 0))
  }
})

test('a call that writes nothing is an error, not an endless loop', () => {
  using folder = tempFolder()
  const fd = openSync(folder.write('disk', '\0'.repeat(8192)), 'r+')
  try {
    withShortWrites(0, () => {
      assert.throws(
        () => new FileDevice(fd, 0).writeSync([source], 0),
        (error: NodeJS.ErrnoException) => error.code === 'ENOSPC',
      )
    })
  } finally {
    closeSync(fd)
  }
})

test.run()
