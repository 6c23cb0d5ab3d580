#!/usr/bin/env node
/**
 * The command line: `dcache COMMAND`. Each command has its own file. This file dispatches to them and defines the exit
 * codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
 */
import { Command, CommanderError } from 'commander'
import { readFileSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { printableLines } from '../nbd/printable.js'
import { journalCommand } from './journal.js'
import { loadCommand } from './load.js'
import { serveCommand } from './serve.js'
import { topCommand } from './top.js'
import { traceCommand } from './trace.js'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

// A reader of stdout may close it early, as `head` does.
process.stdout.on('error', () => process.exit(1))

const STDERR = 2

/** Prints what is wrong with the options. If stderr can't be written, only the exit code tells it. */
function complain(text: string): void {
  try {
    writeSync(STDERR, printableLines(text))
  } catch {
    // stderr is full or closed
  }
}

const program = new Command('dcache')
  .description('A disk block cache that all threads of a process share.')
  .version(version)
  .configureOutput({ writeErr: complain })
  .exitOverride((error) => {
    if (error.code !== 'commander.executeSubCommandAsync') throw error
    process.exitCode = error.exitCode // the exit code of `bench`
  })
for (const command of [loadCommand(), serveCommand(), journalCommand(), topCommand(), traceCommand()])
  program.addCommand(command.copyInheritedSettings(program))
// A separate program, so that the modules loaded here do not influence the measurement.
program.command(
  'bench',
  'Measure on this machine what hits, changes, misses, flushes, commits and the block server cost.',
  {
    executableFile: fileURLToPath(new URL('../bench/main.js', import.meta.url)),
  },
)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // commander has already printed the error or the help text.
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
