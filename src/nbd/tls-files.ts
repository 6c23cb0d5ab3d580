/**
 * Checks the certificates of a server before it starts, and reads their files. OpenSSL would report these errors at the first client
 * or never. The most dangerous one is an authority file without a certificate: Node would use the public authorities
 * instead and accept every client with a publicly signed certificate.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { entry, type Log } from './log.js'
import type { TlsContents, TlsFiles } from './messages.js'

export const TLS_MIN_VERSION = 'TLSv1.2'
const BLOCK =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?(?:-----END (?:TRUSTED |X509 )?CERTIFICATE-----|$)/g

/** What messages call each of the three: an option and its file, or the property of an options object. */
export interface TlsNames {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** Reads the files, and checks them as `checkTls` does. @throws with a message for the user */
export function readTls({ certificate, key, clientAuthority }: TlsFiles, log: Log): TlsContents {
  const names = {
    cert: `--tls-certificate ${certificate}`,
    key: `--tls-key ${key}`,
    ca: `--tls-client-authority ${clientAuthority}`,
  }
  const contents = {
    cert: read(names.cert, certificate),
    key: read(names.key, key),
    ca: clientAuthority === undefined ? undefined : read(names.ca, clientAuthority),
  }
  checkTls(contents, names, log)
  return contents
}

/** Checks certificates and key, and warns of certificates that are expired or not yet valid. @throws with a message for the user */
export function checkTls({ cert, key, ca }: TlsContents, names: TlsNames, log: Log): void {
  const chain = certificatesOf(names.cert, cert)
  const authorities = ca === undefined ? [] : certificatesOf(names.ca, ca)
  const isPair = named(names.key, 'it holds no usable private key', () =>
    chain[0]!.checkPrivateKey(createPrivateKey(key)),
  )
  if (!isPair) {
    throw new Error(
      `${names.key} does not belong to the certificate in ${names.cert}: ` +
        "give the key that the certificate was made with; in a chain the server's own certificate comes first",
    )
  }
  named(names.cert, 'TLS refuses it', () =>
    createSecureContext({ cert, key, ca, minVersion: TLS_MIN_VERSION }),
  )
  warnOfDates(log, names.cert, chain)
  warnOfDates(log, names.ca, authorities)
}

const read = (name: string, path: string): string =>
  named(name, "the file can't be read", () => readFileSync(path, 'utf8'))

/** The certificates of a PEM text, at least one. @throws with a message for the user */
function certificatesOf(name: string, pem: string): X509Certificate[] {
  const blocks = pem.match(BLOCK)
  if (blocks === null) throw new Error(`${name} holds no certificate: it must be in PEM (BEGIN CERTIFICATE)`)
  return blocks.map((block, i) =>
    named(name, `certificate ${i + 1} of ${blocks.length} is damaged`, () => new X509Certificate(block)),
  )
}

function named<T>(name: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new Error(`${name}: ${what}: ${(cause as Error).message}`, { cause })
  }
}

function warnOfDates(log: Log, name: string, certificates: readonly X509Certificate[]): void {
  const now = Date.now()
  for (const { subject, validFrom, validTo } of certificates) {
    const isOver = Date.parse(validTo) < now
    if (!isOver && Date.parse(validFrom) <= now) continue
    const state = isOver ? `expired on ${validTo}` : `is not valid before ${validFrom}`
    log(entry('warn', 'certificate', `${name}: the certificate of ${subject} ${state}`, { source: name }))
  }
}
