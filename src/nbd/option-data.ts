/**
 * Parses the data of options. Each length in it is checked against the bytes present, because the peer chose it.
 */

/**
 * The export name of INFO or GO, or undefined if the data is malformed. The list of information types is only checked.
 */
export function parseInfo(data: Buffer): string | undefined {
  const name = stringAt(data, 0)
  if (name === undefined || name.end + 2 > data.length) return undefined
  const wanted = data.readUInt16BE(name.end)
  return name.end + 2 + 2 * wanted === data.length ? name.text : undefined
}

export interface ContextQuery {
  readonly exportName: string
  readonly queries: readonly string[]
}

/** The query of LIST_META_CONTEXT or SET_META_CONTEXT, or undefined if the data is malformed. */
export function parseContexts(data: Buffer): ContextQuery | undefined {
  const name = stringAt(data, 0)
  if (name === undefined || name.end + 4 > data.length) return undefined
  const count = data.readUInt32BE(name.end)
  const queries: string[] = []
  let end = name.end + 4
  // A query takes at least four bytes, so a count that exceeds the data fails early.
  for (let i = 0; i < count; i++) {
    const query = stringAt(data, end)
    if (query === undefined) return undefined
    queries.push(query.text)
    end = query.end
  }
  return end === data.length ? { exportName: name.text, queries } : undefined
}

/** A string that follows its 32-bit length; undefined if it exceeds the data. */
function stringAt(data: Buffer, at: number): { text: string; end: number } | undefined {
  if (at + 4 > data.length) return undefined
  const end = at + 4 + data.readUInt32BE(at)
  return end <= data.length ? { text: data.toString('utf8', at + 4, end), end } : undefined
}
