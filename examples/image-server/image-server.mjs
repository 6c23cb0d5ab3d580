// A program that opens a disk image as a cache and serves it to clients as a network block device. It writes to the image
// itself, in the same cache, and as a client.

import { openCache } from 'dcache'
import { createBlockServer } from 'dcache/nbd'
import { connect } from './nbd-client.mjs'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = await mkdtemp(join(tmpdir(), 'dcache-image-'))
const image = join(folder, 'disk.img')
const socket = join(folder, 'disk.sock')

const cache = await openCache({
  memory: '16MiB',
  partitions: { disk: { path: image, blockSize: 4096, size: '64MiB' } },
})
try {
  const server = createBlockServer(cache, {
    exports: ['disk'],
    log: ({ level, message }) => {
      if (level !== 'info') console.error(message)
    },
  })
  // Any number of listeners may pass their sockets on: Unix sockets, TCP ports, those of systemd.
  const listener = createServer((client) => server.accept(client)).listen(socket)
  await once(listener, 'listening')

  await cache.partition('disk').write(Buffer.from('hello'), 1_000_000)
  const disk = await connect(socket, 'disk')
  console.log(`disk of ${disk.size / 2 ** 20} MiB`)
  await disk.write(Buffer.from(', disk'), 1_000_005)
  console.log(`a client reads: ${await disk.read(11, 1_000_000)}`)
  await disk.close()

  // In this order: no new clients, then the requests that are being served, then the changes to the disk.
  listener.close()
  await server.close()
} finally {
  await cache.close()
}
const text = (await readFile(image)).toString('latin1', 1_000_000, 1_000_011)
console.log(`the image has: ${text}`)
if (text !== 'hello, disk') process.exitCode = 1
await rm(folder, { recursive: true })
