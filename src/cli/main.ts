#!/usr/bin/env node
/**
 * The command line: `dcache COMMAND`. Each command is a file of its own; this one knows only their names, and what the
 * exit codes mean: 0 done, 1 failed, 2 called wrongly, 130 interrupted.
 */
import { Command, CommanderError } from 'commander'
import { readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { printableLines } from '../nbd/printable.js'
import { loadCommand } from './load.js'
import { serveCommand } from './serve.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

// A reader of the output may close it early, as `head` does.
process.stdout.on('error', () => process.exit(1))

const STDERR = 2

/** What is wrong with the options. Where stderr takes nothing, the exit code says it. */
function complain(text: string): void {
  try {
    writeSync(STDERR, printableLines(text))
  } catch {
    // full, or closed
  }
}

const program = new Command('dcache')
  .description('A disk block cache that all threads of a process share.')
  .version(version)
  .configureOutput({ writeErr: complain })
  .exitOverride((error) => {
    if (error.code !== 'commander.executeSubCommandAsync') throw error
    process.exitCode = error.exitCode // that of `bench`
  })
for (const command of [loadCommand(), serveCommand()])
  program.addCommand(command.copyInheritedSettings(program))
// A program of its own, so that what this one has loaded does not change the measurement.
program.command('bench', 'Measure what atomics, hits and changes cost on this machine.', {
  executableFile: fileURLToPath(new URL('../bench/main.js', import.meta.url)),
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // commander has printed what is wrong, or the help that was asked for.
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
