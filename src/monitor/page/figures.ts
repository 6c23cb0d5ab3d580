/** The figures at the top, and the table of latencies. */
import type { MonitorSample } from '../protocol.js'
import type { Percentiles, Rates } from '../rates.js'
import { byId, element, setText } from './dom.js'
import { bytes, count, duration, percent, perSecond, whole } from './format.js'
import { Table } from './table.js'

type Figure = readonly [title: string, text: string]

export class Figures {
  readonly #values = new Map<string, HTMLElement>()

  update({ stats }: MonitorSample, rates: Rates | undefined): void {
    const figures: readonly Figure[] = [
      ['Hit ratio', percent(rates?.hitRatio)],
      ['Lookups', perSecond(rates?.lookups)],
      ['Read from the disk', perSecond(rates?.diskReadBytes, bytes)],
      ['Written to the disk', perSecond(rates?.diskWriteBytes, bytes)],
      ['Dirty blocks', whole(stats.dirty)],
      ['Capacity in blocks', whole(stats.size)],
      ['Memory', bytes(stats.memoryBytes)],
      ['Evictions', perSecond(rates?.evictions)],
      ['Rounds', perSecond(rates?.rounds)],
    ]
    for (const [title, text] of figures) setText(this.#value(title), text)
  }

  #value(title: string): HTMLElement {
    let value = this.#values.get(title)
    if (value === undefined) {
      value = element('dd')
      const pair = element('div')
      pair.append(element('dt', title), value)
      byId('figures').append(pair)
      this.#values.set(title, value)
    }
    return value
  }
}

export class Latencies {
  readonly #table = new Table(byId('latency'), [
    { title: 'Calls' },
    { title: 'How many', isNumber: true },
    { title: 'Median', isNumber: true },
    { title: '99 % within', isNumber: true },
    { title: 'Longest', isNumber: true },
  ])

  update(rates: Rates | undefined): void {
    const row = (name: string, of: Percentiles | undefined) => ({
      key: name,
      cells: [name, count(of?.count), duration(of?.p50Ms), duration(of?.p99Ms), duration(of?.maxMs)],
    })
    this.#table.update([
      row('Reads of the disk', rates?.read),
      row('Calls of fsync', rates?.fsync),
      row('Stalls of writers', rates?.writerStalls),
    ])
  }
}
