// The core in one thread against a model of it: random commands, with the flusher and the writers run at random moments,
// with accesses of another client in the middle of writes, and with devices that fail. Every image that is written to a
// device is checked: it was released, and every change that must precede it in the order of classes is durable.

import { InlineDriver } from './inline-driver.js' // before all other modules of the engine
import fc from 'fast-check'
import { test } from 'uvu'
import { type Command, inlineCommands, type Setup, setups } from './commands.js'
import { Interpreter } from './interpreter.js'
import { regressions } from './regressions.js'
import { sized } from '../support/size.js'
import { report } from './report.js'

const runs = Number(process.env['DCACHE_MODEL_RUNS'] ?? sized(150, 1000))

async function run(setup: Setup, commands: readonly Command[]): Promise<void> {
  await new Interpreter(new InlineDriver(setup)).run(commands)
}

for (const { name, setup, commands } of regressions) test(name, () => run(setup, commands))

test(`${runs} random runs of the core agree with the model`, async () => {
  const commands = fc.array(inlineCommands, { maxLength: 100, size: 'max' })
  await report(fc.asyncProperty(setups, commands, run), runs)
})

test.run()
