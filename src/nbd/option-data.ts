/**
 * The data of options, taken apart. Lengths within them are the peer's word: each is held against what is there.
 */

/** What INFO and GO ask; undefined where it makes no sense. The list of wanted information is checked and not kept. */
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

/** What LIST_META_CONTEXT and SET_META_CONTEXT ask; undefined where it makes no sense. */
export function parseContexts(data: Buffer): ContextQuery | undefined {
  const name = stringAt(data, 0)
  if (name === undefined || name.end + 4 > data.length) return undefined
  const count = data.readUInt32BE(name.end)
  const queries: string[] = []
  let end = name.end + 4
  // Each takes four bytes at least, so a count beyond the data ends here.
  for (let i = 0; i < count; i++) {
    const query = stringAt(data, end)
    if (query === undefined) return undefined
    queries.push(query.text)
    end = query.end
  }
  return end === data.length ? { exportName: name.text, queries } : undefined
}

/** A string with its length before it. */
function stringAt(data: Buffer, at: number): { text: string; end: number } | undefined {
  if (at + 4 > data.length) return undefined
  const end = at + 4 + data.readUInt32BE(at)
  return end <= data.length ? { text: data.toString('utf8', at + 4, end), end } : undefined
}
