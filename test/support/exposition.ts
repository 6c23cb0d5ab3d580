// A strict reader of what a scraper gets: Prometheus' text format 0.0.4, and OpenMetrics 1.0. Throws at whatever a scraper or
// its linter would object to.

import * as assert from 'uvu/assert'

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly series: Series[]
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
}
/** In OpenMetrics the name of a counter is without its suffix. */
const OPEN_SUFFIXES: typeof SUFFIXES = { ...SUFFIXES, counter: ['_total'] }

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/** The families by name; of a counter, with `_total`. */
export function parseExposition(text: string, isOpenMetrics = false): Map<string, MetricFamily> {
  assert.ok(text.endsWith('\n'), 'the last line ends')
  const lines = text.slice(0, -1).split('\n')
  if (isOpenMetrics) {
    assert.is(lines.pop(), '# EOF')
    assert.ok(!lines.includes(''), 'no empty line')
  }
  const families = new Map<string, MetricFamily>()
  let family: MetricFamily | undefined
  let help: { name: string; text: string } | undefined
  for (const line of lines.filter((line) => line !== '')) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (keyword === 'HELP') {
      assert.match(name!, NAME)
      help = { name: name!, text: rest! }
    } else if (keyword === 'TYPE') {
      assert.is(help?.name, name, `the help of ${name}`)
      const full = isOpenMetrics && rest === 'counter' ? `${name}_total` : name!
      assert.ok(SUFFIXES[rest!] !== undefined, `the type ${rest}`)
      assert.ok(!families.has(full), `${full} twice`)
      family = { name: full, help: help!.text, type: rest!, series: [] }
      families.set(full, family)
    } else {
      assert.ok(family, `a sample before any type: ${line}`)
      const series = parseSeries(line)
      const base =
        isOpenMetrics && family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name
      const suffixes = (isOpenMetrics ? OPEN_SUFFIXES : SUFFIXES)[family.type]!
      assert.ok(suffixes.includes(series.name.replace(base, '')), `${line} in ${family.name}`)
      family.series.push(series)
    }
  }
  for (const family of families.values()) checkFamily(family)
  return families
}

function parseSeries(line: string): Series {
  const [, name, , inner, value] = /^([^\s{]+)(\{(.*)\})? (\S+)$/.exec(line) ?? []
  assert.ok(name !== undefined && NAME.test(name), `a sample: ${line}`)
  const labels: Record<string, string> = {}
  let rest = inner ?? ''
  while (rest !== '') {
    const [all, label, quoted] = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest) ?? []
    assert.ok(all !== undefined, `the labels of ${line}, from ${rest}`)
    assert.ok(labels[label!] === undefined, `${label} twice: ${line}`)
    labels[label!] = quoted!.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    rest = rest.slice(all.length)
  }
  assert.match(value!, /^(\+Inf|-?\d+(\.\d+)?(e[+-]\d+)?)$/, line)
  return { name: name, labels, value: value === '+Inf' ? Infinity : Number(value) }
}

const keyOf = (labels: Readonly<Record<string, string>>, without?: string): string =>
  JSON.stringify(
    Object.entries(labels)
      .filter(([name]) => name !== without)
      .sort(),
  )

/** What promtool's linter objects to, as far as it concerns names. */
function checkFamily({ name, help, type, series }: MetricFamily): void {
  assert.ok(help.length > 0 && help !== name, name)
  assert.match(name, /^[a-z][a-z0-9_]*$/)
  assert.is(name.endsWith('_total'), type === 'counter', name)
  assert.not.match(name, /_(count|sum|bucket|info|counter|gauge|histogram)$/)
  assert.not.match(name, /(milliseconds|_ms|_kb|_mib|percent)(_|$)/)
  const keys = series.map(({ name, labels }) => name + keyOf(labels))
  assert.is(new Set(keys).size, keys.length, `${name}: each series once`)
  if (type === 'counter') for (const { value } of series) assert.ok(value >= 0, name)
  if (type === 'histogram') checkHistograms(name, series)
}

function checkHistograms(name: string, series: readonly Series[]): void {
  const groups = new Map<string, Series[]>()
  for (const one of series) {
    const key = keyOf(one.labels, 'le')
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  for (const own of groups.values()) {
    const buckets = own.filter((one) => one.name === `${name}_bucket`)
    const bounds = buckets.map(({ labels }) => (labels['le'] === '+Inf' ? Infinity : Number(labels['le'])))
    assert.ok(bounds.length > 2 && bounds.at(-1) === Infinity, name)
    buckets.forEach(({ value }, i) => {
      if (i === 0) return
      assert.ok(bounds[i]! > bounds[i - 1]! && value >= buckets[i - 1]!.value, `${name}: le ${bounds[i]}`)
    })
    const valuesOf = (suffix: string) =>
      own.filter((one) => one.name === name + suffix).map(({ value }) => value)
    assert.equal(valuesOf('_count'), [buckets.at(-1)!.value])
    const [sum, ...more] = valuesOf('_sum')
    assert.ok(sum! >= 0 && more.length === 0)
  }
}

/** The value of the one series of a family with these labels, and no other; undefined if there is none. */
export function valueOf(
  families: ReadonlyMap<string, MetricFamily>,
  family: string,
  labels: Readonly<Record<string, string>> = {},
  suffix = '',
): number | undefined {
  const { series } = families.get(family) ?? { series: [] }
  return series.find((one) => one.name === family + suffix && keyOf(one.labels) === keyOf(labels))?.value
}
