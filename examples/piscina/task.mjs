// The tasks of the pool. Each thread of the pool loads this file once and attaches once.

import { attachCache, CacheError } from 'dcache'
import { workerData } from 'piscina'
import { crc32 } from 'node:zlib'

const pages = attachCache(workerData).partition('pages')

/** What a task returns, or the error that it threw, as an object that keeps its code. */
function settle(action) {
  try {
    return { result: action() }
  } catch (error) {
    if (!(error instanceof CacheError)) throw error
    return { error: error.toJSON() }
  }
}

/** Replaces a page. `overwrite` does not read the block first. The first four bytes say how long the text is. */
export function write({ page, text }) {
  return settle(() => {
    const guard = pages.acquireSync(page, 'overwrite')
    try {
      const block = Buffer.from(guard.data.buffer, guard.data.byteOffset, guard.data.length)
      block.writeUInt32LE(block.write(text, 4))
      guard.markDirty()
    } finally {
      guard.release()
    }
  })
}

/** The checksum of a page's text, computed where the block is, without a copy. */
export function checksum({ page }) {
  return settle(() => {
    const guard = pages.acquireSync(page, 'read')
    try {
      const block = Buffer.from(guard.data.buffer, guard.data.byteOffset, guard.data.length)
      return crc32(block.subarray(4, 4 + block.readUInt32LE()))
    } finally {
      guard.release()
    }
  })
}
