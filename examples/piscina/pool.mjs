// A pool of four threads writes 200 pages through one cache, and then computes their checksums.

import { CacheError, openCache } from 'dcache'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Piscina } from 'piscina'

const PAGES = 200
const textOf = (page) => `page ${page}\n`.repeat(500)

const folder = await mkdtemp(join(tmpdir(), 'dcache-piscina-'))
const cache = await openCache({
  memory: '1MiB',
  partitions: { pages: { path: join(folder, 'pages.img'), blockSize: 8192, size: PAGES * 8192 } },
})
const pool = new Piscina({
  filename: new URL('task.mjs', import.meta.url).href,
  workerData: cache.handle,
  // A pool that shrinks and grows starts threads that may find the cache closed.
  minThreads: 4,
  maxThreads: 4,
})

/** Runs a task. An error loses its class on the way between threads, so tasks return it as an object. */
async function run(name, task) {
  const { error, result } = await pool.run(task, { name })
  if (error) throw CacheError.from(error)
  return result
}

try {
  const pages = Array.from({ length: PAGES }, (_, page) => page)
  await Promise.all(pages.map((page) => run('write', { page, text: textOf(page) })))
  await cache.flush()
  const checksums = await Promise.all(pages.map((page) => run('checksum', { page })))

  const right = checksums.filter((checksum, page) => checksum === crc32(textOf(page)))
  console.log(`${PAGES} pages written, ${right.length} with the right checksum`)
  if (right.length !== PAGES) process.exitCode = 1

  const refused = await run('checksum', { page: PAGES }).catch((error) => error)
  console.log(`page ${PAGES}: ${refused.code}`)
} finally {
  // The pool first: its threads use the cache.
  await pool.close()
  await cache.close()
  await rm(folder, { recursive: true })
}
