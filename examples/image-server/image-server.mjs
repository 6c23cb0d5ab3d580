// A program that serves a disk image with the block server of dcache, writes to it as a client, and stops the server.

import { connect } from './nbd-client.mjs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The file of the command `dcache`, in the package as it is installed. */
function commandFile() {
  const manifest = import.meta.resolve('dcache/package.json')
  const { bin } = JSON.parse(readFileSync(fileURLToPath(manifest), 'utf8'))
  return fileURLToPath(new URL(bin.dcache, manifest))
}

/** Starts a server for an image, on a Unix socket. Resolves when clients can connect. */
async function serve(image, socket) {
  const options = ['--export', `disk=${image}`, '--unix', socket, '--memory', '16MiB', '--json']
  const server = spawn(process.execPath, [commandFile(), 'serve', ...options], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const closed = once(server, 'close')
  // The log is one JSON object a line. A message that the options are wrong is plain text.
  const log = createInterface({ input: server.stderr })
  await new Promise((resolve, reject) => {
    log.on('line', (line) => {
      const { level, event, message } = line.startsWith('{') ? JSON.parse(line) : { message: line }
      if (event === 'ready') resolve()
      else if (level !== 'info') console.error(message)
    })
    closed.then(([code]) => reject(new Error(`the server ended with exit code ${code}`)), reject)
  })
  return {
    /** Finishes all requests, flushes and ends. Exit code 0 means that everything is on the disk. */
    async stop() {
      server.kill('SIGTERM')
      const [code] = await closed
      if (code !== 0) throw new Error(`the server ended with exit code ${code}`)
    },
  }
}

const folder = await mkdtemp(join(tmpdir(), 'dcache-image-'))
try {
  const image = join(folder, 'disk.img')
  const file = await open(image, 'w+')
  await file.truncate(64 * 2 ** 20)

  const server = await serve(image, join(folder, 'disk.sock'))
  try {
    const disk = await connect(join(folder, 'disk.sock'), 'disk')
    console.log(`disk of ${disk.size / 2 ** 20} MiB`)
    await disk.write(Buffer.from('hello, disk'), 1_000_000)
    await disk.flush()
    console.log(`a client reads: ${await disk.read(11, 1_000_000)}`)
    disk.close()
  } finally {
    await server.stop()
  }

  const { buffer } = await file.read(Buffer.alloc(11), 0, 11, 1_000_000)
  await file.close()
  console.log(`the image has: ${buffer}`)
  if (buffer.toString() !== 'hello, disk') process.exitCode = 1
} finally {
  await rm(folder, { recursive: true })
}
