/**
 * The server's log, on stderr: a line for people, or one JSON object for machines.
 */
import type { LogEntry } from './messages.js'

export type Log = (entry: LogEntry) => void

export function openLog(isJson: boolean): Log {
  return ({ level, event, message, fields }) => {
    const time = new Date().toISOString()
    const line = isJson
      ? JSON.stringify({ time, level, event, message, ...fields })
      : `${time} ${level === 'info' ? '' : `${level}: `}${message}`
    process.stderr.write(`${line}\n`)
  }
}

export const entry = (
  level: LogEntry['level'],
  event: string,
  message: string,
  fields: LogEntry['fields'] = {},
): LogEntry => ({ level, event, message, fields })
