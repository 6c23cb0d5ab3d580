/** Small helpers for elements. All text goes in as text, never as HTML. */

const SVG = 'http://www.w3.org/2000/svg'

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no element ${id}`)
  return found
}

/** Writes only what has changed, so that a selection or the reading position of a screen reader stays. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text = '',
  attributes: Readonly<Record<string, string>> = {},
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name)
  if (text !== '') made.textContent = text
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  return made
}

export function svg(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value))
  return made
}

/** A colour of the style sheet, as it is in the present scheme. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

/** Calls it when the scheme changes between light and dark. */
export function onScheme(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
}

/** A line, dashed or not, or a square: what stands in front of an entry of a legend. */
export function swatch(fill: string, dash?: readonly number[]): SVGElement {
  const isLine = dash !== undefined
  const made = svg('svg', { width: isLine ? 26 : 14, height: 14, 'aria-hidden': 'true' })
  made.append(
    isLine
      ? svg('path', { d: 'M0 7h26', stroke: fill, 'stroke-width': 2.5, 'stroke-dasharray': dash.join(' ') })
      : svg('rect', { x: 0.5, y: 0.5, width: 13, height: 13, fill, stroke: colour('dim') }),
  )
  return made
}

export function legendItem(mark: SVGElement, text: string): HTMLLIElement {
  const item = element('li')
  item.append(mark, element('span', text))
  return item
}
