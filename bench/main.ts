#!/usr/bin/env node
/**
 * `dcache bench`: measures what atomics, hits and changes cost on this machine. It is a separate program, so that the
 * modules of the command line do not influence the measurement. Exit codes: 0 success, 1 failure, 2 wrong usage,
 * 130 interrupted.
 */
import { EventEmitter } from 'node:events'
import { program } from './program.js'

// Each of a dozen open caches listens to the exit of every worker, which is not a leak.
EventEmitter.defaultMaxListeners = 100

// An exit instead of a death by signal, so that temporary folders are removed.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    process.stderr.write('\ndcache bench: interrupted\n')
    process.exit(130)
  })

process.exitCode = await program(process.argv)
// A peer's open handles would keep the process alive.
process.exit()
