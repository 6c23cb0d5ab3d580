// The real engine against the model: the same commands as asynchronous calls, with worker threads and files. After every
// flush, and after the engine has closed, the files must agree with the model.

import fc from 'fast-check'
import { test } from 'uvu'
import { type Command, engineCommands, type Setup, setups } from './commands.js'
import { Interpreter } from './interpreter.js'
import { RealDriver } from './real-driver.js'
import { engineRegressions } from './regressions.js'
import { sized } from '../support/size.js'
import { report } from './report.js'

const runs = Number(process.env['DCACHE_MODEL_RUNS'] ?? sized(2, 25))

async function run(setup: Setup, commands: readonly Command[]): Promise<void> {
  await using driver = await RealDriver.open(setup)
  const interpreter = new Interpreter(driver)
  try {
    await interpreter.run(commands)
    await driver.close()
    driver.history.reopened((partition, block) => driver.durable(partition, block))
  } finally {
    interpreter.letGo()
  }
}

for (const { name, setup, commands } of engineRegressions) test(name, () => run(setup, commands))

test(`${runs} random runs of an engine with workers agree with the model`, async () => {
  const commands = fc.array(engineCommands, { maxLength: 100, size: 'max' })
  await report(fc.asyncProperty(setups, commands, run), runs, true)
})

test.run()
