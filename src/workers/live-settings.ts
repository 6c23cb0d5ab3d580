/**
 * Settings that the owner changes while all threads go on. They are words that every thread reads when it needs them, so a change
 * is seen without a message: by the flush worker after a ring of its bell, by calls that wait at the dirty limit when they are woken.
 */
import { growTo } from '../core/blocks/grow.js'
import type { Context } from '../core/context.js'
import { storeLimits } from '../core/limits.js'
import { ringBell } from '../core/wait/bell.js'
import { lockSoon } from '../core/wait/lock-soon.js'
import { blocksIn, type Config } from '../shared/config.js'
import { CacheError } from '../shared/errors.js'
import type { LiveOptions } from '../shared/options.js'
import { LIVE, parseSettings, storeSettings } from '../shared/settings.js'
import { Deadline } from '../shared/wait.js'
import { parseSize, refuse, show } from '../shared/values.js'

/** How long the owner tries for the policy mutex. Its holder may be descheduled, or dead until the flush worker notices. */
const LOCK_MS = 1000

export class LiveSettings {
  readonly #context: Context
  readonly #memoryMaxBytes: number
  /** As the caller gave them, so that defaults that depend on another option follow it. */
  #options: LiveOptions

  /** `context`: the owner's. */
  constructor(context: Context, { memoryMaxBytes, live }: Config) {
    this.#context = context
    this.#memoryMaxBytes = memoryMaxBytes
    this.#options = live
  }

  /** @throws ERR_DCACHE_BAD_OPTION; ERR_DCACHE_TIMEOUT if the list of free frames stays locked. Then nothing is changed */
  change(changes: LiveOptions): void {
    if (typeof changes !== 'object' || (changes as unknown) === null)
      refuse(`the settings are ${show(changes)}; they must be an object`)
    const set = Object.entries(changes).filter(([, value]) => (value as unknown) !== undefined)
    for (const [name] of set)
      if (!LIVE.includes(name as keyof LiveOptions))
        refuse(`${name} cannot be changed while the cache is open; what can be is ${LIVE.join(', ')}`)
    const options: LiveOptions = { ...this.#options, ...Object.fromEntries(set) }
    const settings = parseSettings(options)
    this.#grow(options.memory!)
    const { words, arena, rounds } = this.#context
    storeSettings(words, settings)
    storeLimits(arena, settings)
    this.#options = options
    for (const round of rounds) round.broadcast()
    ringBell(this.#context)
  }

  #grow(memory: number | string): void {
    const { arena, policyMutex, freed } = this.#context
    const { frameSize, spares } = arena.geometry
    const bytes = parseSize(memory, 'memory')
    const frames = blocksIn(bytes, frameSize, spares)
    const before = arena.frames
    if (frames === before) return
    if (frames < before) {
      const present = (before + spares) * frameSize
      refuse(`memory is ${show(memory)}; it cannot become less than it is now, ${present} bytes`)
    }
    if (bytes > this.#memoryMaxBytes)
      refuse(`memory is ${show(memory)}; it can grow up to memoryMax, which is ${this.#memoryMaxBytes} bytes`)
    if (!lockSoon(this.#context, policyMutex, new Deadline(LOCK_MS)))
      throw new CacheError(
        'ERR_DCACHE_TIMEOUT',
        `the list of free frames stayed locked for ${LOCK_MS} ms; call configure again`,
      )
    growTo(this.#context, frames)
    policyMutex.unlock()
    freed.broadcast()
  }
}
