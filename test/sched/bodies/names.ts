// The names of all bodies, by file.

import { bodies as cache } from './cache.js'
import { bodies as commit } from './commit.js'
import { bodies as drop } from './drop.js'
import { bodies as latch } from './latch.js'
import { bodies as mutex } from './mutex.js'
import { bodies as primitives } from './primitives.js'

export const names = (): [string, string[]][] =>
  Object.entries({ mutex, primitives, latch, cache, drop, commit }).map(([file, bodies]) => [
    file,
    Object.keys(bodies).map((name) => `${file}.${name}`),
  ])
