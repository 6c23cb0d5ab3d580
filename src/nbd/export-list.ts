/**
 * Exports as a user writes them, NAME=PATH[:BLOCKSIZE]: one in an option of the command line, and one a line in a file of
 * exports, where empty lines and lines that begin with # are skipped.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ExportSettings } from './messages.js'

export type WrittenExport = Omit<ExportSettings, 'readOnly'>

/** Bytes. */
export const BLOCK_SIZE_DEFAULT = 4096
const NAME_BYTES_MAX = 4096

/** `taken`: names of other exports. @throws with a message that lacks its subject, the text */
export function parseExport(text: string, taken: readonly string[]): WrittenExport {
  const match = /^([^=]+)=(.+?)(?::(\d+))?$/s.exec(text)
  if (!match) throw new Error('must be NAME=PATH or NAME=PATH:BLOCKSIZE')
  const name = match[1]!
  if (Buffer.byteLength(name) > NAME_BYTES_MAX)
    throw new Error(`has a name of more than ${NAME_BYTES_MAX} bytes`)
  if (taken.includes(name)) throw new Error('has a name that was given twice')
  return { name, path: resolve(match[2]!), blockSize: Number(match[3] ?? BLOCK_SIZE_DEFAULT) }
}

/** Reads a file of exports. @throws with a message for the user */
export function readExports(path: string, taken: readonly string[]): WrittenExport[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`--exports ${path} can't be read: ${(cause as Error).message}`, { cause })
  }
  const exports: WrittenExport[] = []
  for (const [i, whole] of text.split('\n').entries()) {
    const line = whole.trim()
    if (line === '' || line.startsWith('#')) continue
    try {
      exports.push(parseExport(line, [...taken, ...exports.map(({ name }) => name)]))
    } catch (error) {
      throw new Error(`${path}, line ${i + 1}: '${line.slice(0, 200)}' ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  return exports
}
