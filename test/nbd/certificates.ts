// Certificates for tests of TLS, made by openssl: an authority, certificates of a server and a client that it signed, and one
// of a stranger.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import * as assert from 'uvu/assert'
import * as nbd from '#dist/nbd/constants.js'
import { clientFlags, optionBytes, WireClient } from './wire-client.js'

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

export interface Certificates {
  /** Options of the server. */
  readonly args: readonly string[]
  readonly authority: string
  /** The certificate that a client presents. */
  readonly client: ConnectionOptions
  readonly stranger: ConnectionOptions
}

export function makeCertificates(folder: string): Certificates {
  const openssl = (...options: string[]) => {
    const { status, stderr } = spawnSync('openssl', options, { cwd: folder, encoding: 'utf8' })
    assert.is(status, 0, stderr)
  }
  const self = (name: string) => {
    openssl('req', ...EC, '-x509', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  }
  self('authority')
  self('stranger')
  for (const name of ['localhost', 'client']) {
    openssl('req', ...EC, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial', '-days', '2', '-out', `${name}.pem`) // prettier-ignore
  }
  const file = (name: string) => join(folder, name)
  const shown = (name: string) => ({
    cert: readFileSync(file(`${name}.pem`)),
    key: readFileSync(file(`${name}.key`)),
  })
  return {
    args: ['--tls-certificate', file('localhost.pem'), '--tls-key', file('localhost.key')],
    authority: file('authority.pem'),
    client: shown('client'),
    stranger: shown('stranger'),
  }
}

/** A connection whose next bytes are those of TLS. */
export async function askTls(path: string): Promise<WireClient> {
  const plain = new WireClient({ path })
  plain.socket.write(Buffer.concat([clientFlags, optionBytes(nbd.NBD_OPT_STARTTLS)]))
  await plain.take(18 + 20)
  plain.socket.removeAllListeners('data')
  return plain
}

/** TLS over a connection. */
export function secure(
  { socket }: WireClient,
  authority: string,
  options: ConnectionOptions = {},
): TLSSocket {
  const safe = connect({ socket, ca: readFileSync(authority), servername: 'localhost', ...options })
  return safe.on('error', () => undefined)
}
