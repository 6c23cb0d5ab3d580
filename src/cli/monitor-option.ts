/**
 * The option `--monitor` of the commands that open a cache: where its page is served (src/monitor).
 */
import { InvalidArgumentError, Option } from 'commander'
import type { MonitorOptions } from '../monitor/index.js'

export const monitorOption = (): Option =>
  new Option(
    '--monitor <[host:]port|socket>',
    'serve a page that shows the cache while it runs, on a TCP port (0: any free one; host 127.0.0.1) or a Unix socket',
  ).argParser(parseMonitor)

/** What ends in a number is a port, with a host or without; all else is the path of a socket. */
export function parseMonitor(text: string): MonitorOptions {
  const match = /^(?:(?:\[([^\]]+)\]|([^:/]+)):)?(\d+)$/.exec(text)
  if (match === null) {
    if (text === '') throw new InvalidArgumentError('It must be a port, HOST:PORT, or the path of a socket.')
    return { socket: text }
  }
  const port = Number(match[3])
  if (port > 65_535) throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  const host = match[1] ?? match[2]
  return host === undefined ? { port } : { port, host }
}

/** The line that says where it is. */
export function monitorText(url: string): string {
  const socket = /^http\+unix:\/\/(.*)\/$/.exec(url)
  if (socket === null) return `Monitor: ${url}`
  return `Monitor: socket ${decodeURIComponent(socket[1]!)} (curl --unix-socket PATH http://localhost/stats)`
}
