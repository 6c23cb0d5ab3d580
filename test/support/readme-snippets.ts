// What the tests need of a Markdown file: its headings, tables and code blocks.

export interface CodeBlock {
  readonly language: string
  readonly text: string
}

/** The fenced code blocks, in order. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))
}

/** Complete files among the code blocks: those whose first line is a comment with nothing but a name. */
export function files(markdown: string): Map<string, string> {
  const named = codeBlocks(markdown).map(({ text }) => [/^\/\/ (\S+\.\w+)\n/.exec(text)?.[1], text] as const)
  return new Map(named.flatMap(([name, text]) => (name === undefined ? [] : [[name, text]])))
}

/** The sessions `$ node FILE` with what they print. */
export function sessions(markdown: string): { file: string; output: string }[] {
  return codeBlocks(markdown).flatMap(({ language, text }) => {
    const [, file, output] = /^\$ node (\S+)\n([\s\S]*)$/.exec(text) ?? []
    return language === 'console' && file !== undefined ? [{ file, output: output! }] : []
  })
}

/** The text of the headings of a level, code quotes taken off. */
export function headings(markdown: string, level: number): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(new RegExp(`^#{${level}} (.+)$`, 'gm'))].map(([, text]) =>
    text!.replaceAll('`', ''),
  )
}

/** The anchors of all headings, as GitHub makes them: of several equal ones, the later ones get a number. */
export function anchors(markdown: string): string[] {
  const seen = new Map<string, number>()
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map(([, text]) => {
    const plain = text!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = plain.replaceAll(/[^\p{L}\p{N}_\- ]/gu, '').replaceAll(' ', '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

/** What the links and pictures point to; those in code are left out. */
export function links(markdown: string): string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, link]) => link!)
}

/** The rows, without the head, of the first table after a heading: their cells. */
export function tableAfter(markdown: string, heading: string): string[][] {
  const start = markdown.search(new RegExp(`^#+ ${heading.replaceAll(/[()]/g, '\\$&')}$`, 'm'))
  if (start < 0) throw new Error(`no heading '${heading}'`)
  const rows = /(?:^\|.*\n)+/m.exec(markdown.slice(start))?.[0].trimEnd().split('\n') ?? []
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  )
}

/** What stands in code quotes. */
export const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)

/** A sum of products of numbers and names: `blocks * 4 + 64`. */
export function evaluate(formula: string, values: Readonly<Record<string, number>>): number {
  const factor = (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : values[text]
    if (value === undefined) throw new Error(`'${text}' in '${formula}' is not known`)
    return value
  }
  const product = (text: string): number => text.split(' * ').map(factor).reduce((a, b) => a * b) // prettier-ignore
  return formula
    .split(' + ')
    .map(product)
    .reduce((a, b) => a + b)
}
