/**
 * Makes text safe for a terminal. It escapes every character that a terminal or an editor acts on instead of showing
 * it: control characters (C0, DEL, C1), format characters (bidirectional overrides, zero-width characters), the line
 * and paragraph separators, and lone surrogates.
 */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Escapes as `\n`, `\x1b` or `\u{202e}`. Text that was already escaped does not change. */
export const printable = (text: string): string =>
  text.replace(ACTING, (one) => {
    const code = one.codePointAt(0)!.toString(16)
    return SHORT[one] ?? (code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u{${code}}`)
  })

/** The same for text of several lines: line feeds remain. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** Replaces the same characters in JSON by JSON escapes, which does not change the value. */
export const printableJson = (json: string): string =>
  json.replace(ACTING, (one) =>
    Array.from(
      { length: one.length },
      (_, i) => `\\u${one.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
