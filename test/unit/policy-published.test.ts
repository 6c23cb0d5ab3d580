// The simulated policies of research give the hit ratios that were published for recorded traces, or that the programs of their
// authors give; and docs/benchmarks.md says so. The traces are in ../shared/traces next to the project, if they are available.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readTrace } from '#dist/cli/load-settings.js'
import { hitsIn } from '#dist/bench/replay/simulator.js'
import { type Trace, traceOf } from '#dist/bench/replay/trace.js'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { projectRoot } from '../support/project.js'
import { PUBLISHED } from '../support/published-hits.js'
import { onlyNormal } from '../support/size.js'

const folder = join(projectRoot, '../shared/traces')
const fileOf = (name: string): string => join(folder, `${name}.u32.gz`)
const text = (values: readonly number[]): string => values.map((value) => value.toFixed(2)).join(' ')

if (existsSync(fileOf('oltp'))) {
  onlyNormal(test, 'the references agree with what was published, as the documents say', async () => {
    const page = readFileSync(join(projectRoot, 'docs/benchmarks.md'), 'utf8')
    const traces = new Map<string, Trace>()
    const lines: string[] = []
    let worst = 0
    for (const { policy, make, trace: name, from, sizes, theirs, points } of PUBLISHED) {
      if (!traces.has(name)) traces.set(name, traceOf(await readTrace(fileOf(name))))
      const trace = traces.get(name)!
      const ours = sizes.map((blocks) => (100 * hitsIn(make, trace, blocks)) / trace.ids.length)
      const line = `| ${policy} | ${name}: ${sizes.join(' ')} | ${from} | ${text(theirs)} | ${text(ours)} |`
      lines.push(line)
      ours.forEach((value, i) => {
        const difference = Math.abs(value - theirs[i]!)
        assert.ok(difference <= points, `${line}\nmore than ${points} points`)
        worst = Math.max(worst, difference)
      })
    }
    assert.ok(page.includes(lines.join('\n')), `docs/benchmarks.md has not:\n${lines.join('\n')}`)
    console.log(`\n# references: ${lines.length} rows of published hit ratios; ${worst.toFixed(2)} points at most between theirs and ours`) // prettier-ignore
  })
} else {
  console.log('# left out: no recorded traces in ../shared/traces')
}

test('every published number has its size', () => {
  for (const { policy, trace, sizes, theirs } of PUBLISHED)
    assert.is(sizes.length, theirs.length, `${policy}, ${trace}`)
})

test.run()
