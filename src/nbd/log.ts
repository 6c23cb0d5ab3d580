/**
 * The server's log on stderr: lines of text, or one JSON object a line. Both formats escape the characters that a
 * terminal acts on, because export names and error messages may come from clients.
 */
import type { LogEntry } from './messages.js'
import { printable, printableJson } from './printable.js'
import { Sink } from './sink.js'

export type Log = (entry: LogEntry) => void

export function openLog(isJson: boolean): { readonly log: Log; readonly sink: Sink } {
  const lineOf = ({ level, event, message, fields }: LogEntry): string => {
    const time = new Date().toISOString()
    return isJson
      ? printableJson(JSON.stringify({ time, level, event, message, ...fields }))
      : printable(`${time} ${level === 'info' ? '' : `${level}: `}${message}`)
  }
  const sink = new Sink((lost) =>
    lineOf(entry('warn', 'lost', `${lost} line(s) of the log could not be written`, { lost })),
  )
  return { log: (what) => sink.line(lineOf(what)), sink }
}

/** The message of an error with its code. */
export function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return code === undefined ? message : `${message} (${code})`
}

export const entry = (
  level: LogEntry['level'],
  event: string,
  message: string,
  fields: LogEntry['fields'] = {},
): LogEntry => ({ level, event, message, fields })
