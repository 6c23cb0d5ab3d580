/**
 * Text that may go to a terminal: everything that a terminal or an editor acts on instead of showing it is escaped. That
 * is control characters (C0, DEL, C1), format characters (bidirectional overrides, zero-width characters), the line and
 * paragraph separators, and lone surrogates.
 */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** For people: `\n`, `\x1b`, `\u{202e}`. A text that was escaped already stays as it is. */
export const printable = (text: string): string =>
  text.replace(ACTING, (one) => {
    const code = one.codePointAt(0)!.toString(16)
    return SHORT[one] ?? (code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`)
  })

/** The same for a text of several lines: line feeds stay. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** A JSON text with the same characters as JSON escapes: it says the same, and holds none of them. */
export const printableJson = (json: string): string =>
  json.replace(ACTING, (one) =>
    Array.from(
      { length: one.length },
      (_, i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
