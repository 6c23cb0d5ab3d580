// @deadline 240
// TLS: which clients are accepted, what the log says of the others, and that a handshake that fails at any point affects only
// its own connection.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { tempFolder } from '../support/temp.js'
import { askTls, makeCertificates, secure } from './certificates.js'
import { Server } from './server.js'
import { goData, optionBytes, requestBytes, WireClient } from './wire-client.js'
import { onlyNormal } from '../support/size.js'

const BLOCK = 4096
const BLOCKS = 4096

function place() {
  const folder = tempFolder()
  const disk = join(folder.path, 'disk.img')
  writeFileSync(disk, Buffer.alloc(BLOCK * BLOCKS))
  const path = join(folder.path, 'socket')
  const certificates = makeCertificates(folder.path)
  const args = ['--export', `disk=${disk}`, '--unix', path, '--memory', '32MiB', ...certificates.args]
  return { folder, path, args, certificates }
}

/** The server's reply to LIST, or undefined if it closes the connection. */
async function list(
  path: string,
  authority: string,
  options?: ConnectionOptions,
): Promise<Buffer | undefined> {
  using plain = await askTls(path)
  const safe = secure(plain, authority, options)
  safe.write(optionBytes(nbd.NBD_OPT_LIST))
  return await new Promise((resolve) => {
    safe.once('data', (bytes: Buffer) => {
      resolve(bytes)
      safe.destroy()
    })
    safe.once('close', () => {
      resolve(undefined)
    })
  })
}

test('with a certificate TLS is required, and the client needs none of its own', async () => {
  const { folder, path, args, certificates } = place()
  using _ = folder
  await using server = await Server.start(args)
  await WireClient.open({ path }, 'disk').then(
    () => assert.unreachable('no TLS'),
    (error: unknown) => assert.match((error as Error).message, '0x80000005'),
  )
  assert.ok(await list(path, certificates.authority))
  assert.ok(await list(path, certificates.authority, certificates.client))
  assert.equal(await server.stop(), { code: 0, signal: null })
})

onlyNormal(
  test,
  'client certificates can be required: the log says why one is refused, and others are served',
  async () => {
    const { folder, path, args, certificates } = place()
    using _ = folder
    const { authority, client, stranger } = certificates
    await using server = await Server.start([...args, '--tls-client-authority', authority])
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const [shown, reason] of [
        [{}, /^TLS: the client showed no certificate$/],
        [stranger, /^TLS: the certificate of 'stranger' was refused: \w/],
      ] as const) {
        const from = server.log.length
        assert.is(await list(path, authority, { ...shown, maxVersion: version }), undefined)
        const said = String((await server.said('closed', from))['reason'])
        assert.match(said, reason, said)
      }
      const from = server.log.length
      assert.ok(await list(path, authority, { ...client, maxVersion: version }))
      await server.said('closed', from)
    }
    assert.equal(await server.stop(), { code: 0, signal: null })
  },
)

test('a handshake that stalls, fails or breaks off ends only its own connection, with a reason', async () => {
  const { folder, path, args, certificates } = place()
  using _ = folder
  const { authority } = certificates
  await using server = await Server.start([...args, '--tls-client-authority', authority, '--handshake-timeout', '2']) // prettier-ignore
  const begin = Buffer.from('16030102000100', 'hex')
  const ways: readonly ((client: WireClient) => void)[] = [
    () => undefined,
    ({ socket }) => void socket.write(begin),
    ({ socket }) => {
      const timer = setInterval(() => socket.write(Buffer.alloc(1)), 50)
      socket.write(begin)
      socket.once('close', () => {
        clearInterval(timer)
      })
    },
    ({ socket }) => void socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(9)),
    ({ socket }) => void socket.end(begin),
    ({ socket }) => {
      socket.write(begin, () => socket.destroy())
    },
    (client) => void secure(client, authority, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }), // prettier-ignore
    (client) => {
      const safe = secure(client, authority)
      safe.once('secureConnect', () => safe.destroy())
    },
  ]
  const clients: WireClient[] = []
  for (let round = 0; round < 4; round++) {
    for (const way of ways) {
      const client = await askTls(path)
      clients.push(client)
      way(client)
    }
  }
  assert.ok(await list(path, authority, certificates.client), 'other clients are served')
  await Promise.all(clients.map(({ closed }) => closed))
  while (server.log.filter(({ event }) => event === 'closed').length < clients.length)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const reasons = server.log.filter(({ event }) => event === 'closed').map((line) => line['reason'])
  for (const reason of [/^TLS: .*timeout|no export was chosen/, /^TLS: unsupported protocol$/, /^TLS: http request$/])
    assert.ok(reasons.some((text) => reason.test(String(text))), `${String(reason)}: ${reasons.join('; ')}`) // prettier-ignore
  assert.not(server.log.some(({ level }) => level === 'error'))
  assert.ok(await list(path, authority, certificates.client))
  assert.equal(await server.stop(), { code: 0, signal: null })
})

onlyNormal(
  test,
  'over TLS a slow but steady reader gets its replies, and a stalled one is dropped',
  async () => {
    const { folder, path, args, certificates } = place()
    using _ = folder
    await using server = await Server.start([...args, '--stall-timeout', '1'])
    for (const isSteady of [true, false]) {
      using plain = await askTls(path)
      const safe = secure(plain, certificates.authority)
      safe.write(optionBytes(nbd.NBD_OPT_GO, goData('disk')))
      await once(safe, 'readable')
      safe.write(requestBytes(nbd.NBD_CMD_READ, 1, 0, BLOCK * BLOCKS))
      const from = server.log.length
      if (!isSteady) {
        assert.match(String((await server.said('closed', from))['reason']), /stood still/)
        continue
      }
      const closed = once(safe, 'close')
      let taken = 0
      for (const wanted = BLOCK * BLOCKS + 16; taken < wanted;) {
        const bytes = safe.read() as Buffer | null
        if (bytes === null) {
          assert.not(safe.destroyed, `closed after ${taken} bytes`)
          await Promise.race([once(safe, 'readable'), closed])
          continue
        }
        taken += bytes.length
        // The whole transfer takes many times the timeout.
        if (taken < 2 ** 22) await new Promise((resolve) => setTimeout(resolve, 100))
      }
      assert.not(server.log.some((line) => String(line['reason']).includes('stood still')))
      safe.destroy()
      await server.said('closed', from)
    }
  },
)

test.run()
