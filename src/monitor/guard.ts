/**
 * Which requests are refused because of where they come from. A web page of another site must not read the statistics
 * through the browser of a user of this machine.
 *
 * The browser keeps pages of another origin from reading an answer. DNS rebinding gets around that: the page's own name is
 * made to lead to 127.0.0.1. Then the name stands in the header Host, so a monitor on loopback serves only the names of
 * loopback.
 */
import type { IncomingMessage } from 'node:http'

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1']

const isLoopback = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address)

/**
 * Why a request is refused; undefined if it is not.
 * @param address that the server is bound to; undefined: a Unix socket
 */
export function refusalOf({ headers }: IncomingMessage, address: string | undefined): string | undefined {
  if (!isHostAllowed(headers.host, address))
    return `this monitor does not answer for the name in the header Host; use ${address ?? 'localhost'}`
  // A link on another page may lead to the page, but no other page may make the browser ask for the rest.
  if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate')
    return 'this monitor does not answer requests of pages of other sites'
  return undefined
}

function isHostAllowed(header: string | undefined, address: string | undefined): boolean {
  if (address !== undefined && !isLoopback(address)) return true
  // HTTP/1.0; a browser always sends it.
  if (header === undefined) return true
  const host = hostOf(header)
  if (LOOPBACK_NAMES.includes(host) || host === address) return true
  // A program names the socket as it likes. No public name is without a dot.
  return address === undefined && /^[\w-]*$/.test(host)
}

/** Without the port, and without the brackets of IPv6; in lower case, without a dot at the end. */
function hostOf(header: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(header) ?? []
  return (bracketed ?? plain ?? header).toLowerCase().replace(/\.$/, '')
}
