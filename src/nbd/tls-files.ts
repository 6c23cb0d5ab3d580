/**
 * Reads and checks the certificates of a server before it starts. OpenSSL would report these errors at the first client
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

/** Reads the files, and warns of certificates that are expired or not yet valid. @throws with a message for the user */
export function readTls({ certificate, key, clientAuthority }: TlsFiles, log: Log): TlsContents {
  const cert = read('--tls-certificate', certificate)
  const keyText = read('--tls-key', key)
  const ca = clientAuthority === undefined ? undefined : read('--tls-client-authority', clientAuthority)
  const chain = certificatesOf('--tls-certificate', certificate, cert)
  const authorities = ca === undefined ? [] : certificatesOf('--tls-client-authority', clientAuthority!, ca)
  const isPair = named('--tls-key', key, 'it holds no usable private key', () =>
    chain[0]!.checkPrivateKey(createPrivateKey(keyText)),
  )
  if (!isPair) {
    throw new Error(
      `--tls-key ${key} does not belong to the certificate in --tls-certificate ${certificate}: ` +
        "give the key that the certificate was made with; in a chain the server's own certificate comes first",
    )
  }
  named('--tls-certificate', certificate, 'TLS refuses it', () =>
    createSecureContext({ cert, key: keyText, ca, minVersion: TLS_MIN_VERSION }),
  )
  warnOfDates(log, '--tls-certificate', certificate, chain)
  warnOfDates(log, '--tls-client-authority', clientAuthority, authorities)
  return { cert, key: keyText, ca }
}

const read = (option: string, path: string): string =>
  named(option, path, "the file can't be read", () => readFileSync(path, 'utf8'))

/** The certificates of a PEM file, at least one. @throws with a message for the user */
function certificatesOf(option: string, path: string, pem: string): X509Certificate[] {
  const blocks = pem.match(BLOCK)
  if (blocks === null)
    throw new Error(`${option} ${path} holds no certificate: it must be a PEM file (BEGIN CERTIFICATE)`)
  return blocks.map((block, i) =>
    named(
      option,
      path,
      `certificate ${i + 1} of ${blocks.length} is damaged`,
      () => new X509Certificate(block),
    ),
  )
}

function named<T>(option: string, path: string, what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new Error(`${option} ${path}: ${what}: ${(cause as Error).message}`, { cause })
  }
}

function warnOfDates(
  log: Log,
  option: string,
  path: string | undefined,
  certificates: readonly X509Certificate[],
): void {
  const now = Date.now()
  for (const { subject, validFrom, validTo } of certificates) {
    const isOver = Date.parse(validTo) < now
    if (!isOver && Date.parse(validFrom) <= now) continue
    const state = isOver ? `expired on ${validTo}` : `is not valid before ${validFrom}`
    log(
      entry('warn', 'certificate', `${option} ${path}: the certificate of ${subject} ${state}`, {
        option,
        path: path ?? null,
      }),
    )
  }
}
