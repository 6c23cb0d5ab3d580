#!/usr/bin/env node
/**
 * `dcache bench`: what atomics, hits and changes cost on this machine. A program of its own, so that what the command
 * line has loaded does not change the measurement. Exit codes: 0 done, 1 failed, 2 called wrongly, 130
 * interrupted.
 */
import { EventEmitter } from 'node:events'
import { program } from './program.js'

// Each of a dozen open caches listens to the end of every worker: that is no leak.
EventEmitter.defaultMaxListeners = 100

// An exit, and not a death by signal, so that temporary folders are removed.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    process.stderr.write('\ndcache bench: interrupted\n')
    process.exit(130)
  })

process.exitCode = await program(process.argv)
// A peer may keep handles open, which would keep the process alive.
process.exit()
