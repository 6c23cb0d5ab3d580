// How many frames one search for a victim looks at, while the policy mutex is held: never more than a constant, whatever is held,
// dirty or just used. `node test/run.mjs unit/search-bound` prints the most that were seen in a million evictions.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Candidates, Fit, LOOKS_MAX } from '#dist/core/policy/policy.js'
import { nameFrame, policyArena, policyIn } from '#dist/bench/replay/policy-replay.js'
import { keyHighOf } from '#dist/shared/key.js'
import { Header } from '#dist/shared/words.js'
import { Random } from '#dist/workload/random.js'
import { sized } from '../support/size.js'

const bound = suite('the steps of a search')

const FRAMES = 10_000
const EVICTIONS = sized(20_000, 1_000_000)
/** Insertions until a dirty frame that left the policy is written. */
const WRITTEN_AFTER = FRAMES / 16
/** After so many insertions a seventh of the frames that are in use are used again. */
const USED_EACH = 160
/** What ten frames are: nine of them held, dirty or in use, three each. */
const KINDS = ['held', 'held', 'held', 'dirty', 'dirty', 'dirty', 'used', 'used', 'used', 'idle'] as const

for (const name of ['adaptive', 'lru2'] as const)
  bound(
    `${name}: at most ${LOOKS_MAX} looks if a third of most frames each is held, dirty and just used`,
    () => {
      const random = new Random(7, 0)
      const anyKind = () => KINDS[random.below(KINDS.length)]!
      const arena = policyArena(name, FRAMES)
      const policy = policyIn(arena, name)
      const kinds = Array.from({ length: FRAMES }, anyKind)
      /** Dirty ones that left the policy, and when they return, written, to be of any kind again. */
      const left: { frame: number; at: number }[] = []
      let inserted = 0
      let looks = 0
      const fit = (frame: number): Fit => {
        looks++
        const kind = kinds[frame]!
        if (kind === 'dirty') left.push({ frame, at: inserted + WRITTEN_AFTER })
        return kind === 'dirty' ? Fit.DIRTY : kind === 'held' ? Fit.HELD : Fit.CLEAN
      }
      const candidates: Candidates = { look: fit, take: fit }
      const seen = { most: 0, sum: 0, searches: 0, searchesMost: 0 }
      const victimFor = (block: number): number => {
        for (let count = 1; ; count++) {
          looks = 0
          const frame = policy.victim(candidates, keyHighOf(0, block), block)
          assert.ok(looks <= LOOKS_MAX, `${looks} looks`)
          seen.most = Math.max(seen.most, looks)
          seen.sum += looks
          seen.searches++
          seen.searchesMost = Math.max(seen.searchesMost, count)
          if (frame >= 0) return frame
          assert.ok(count < FRAMES, 'some search finds a frame that may go')
        }
      }
      const changeKinds = (frame: number) => {
        kinds[frame] = anyKind()
        // Others change too, or those that are held would be held for ever.
        const other = random.below(FRAMES)
        if (kinds[other] !== 'dirty') kinds[other] = anyKind()
        while (left.length > 0 && left[0]!.at <= inserted) {
          const written = left.shift()!.frame
          kinds[written] = anyKind()
          if (!policy.has(written)) policy.readmit(written)
        }
      }
      for (; inserted < FRAMES + EVICTIONS; inserted++) {
        const isFilling = inserted < FRAMES
        // One of three returns, of those that were evicted lately or long ago.
        const block = !isFilling && inserted % 3 === 0 ? inserted - random.below(2 * FRAMES) : inserted
        const frame = isFilling ? inserted : victimFor(block)
        if (!isFilling) {
          policy.evicted(frame)
          changeKinds(frame)
        }
        arena.words[Header.freeCount] = Math.max(0, FRAMES - 1 - inserted)
        policy.insert(frame, keyHighOf(0, block), block)
        nameFrame(arena, frame, 0, block)
        if (isFilling || inserted % USED_EACH > 0) continue
        for (let used = (inserted / USED_EACH) % 7; used < FRAMES; used += 7) {
          if (kinds[used] !== 'used') continue
          policy.note(used)
          if (policy.notesDue) policy.drain()
        }
      }
      assert.equal(policy.check(), [])
      console.log(
        `\n# ${name}: at most ${seen.most} looks in a search, ${(seen.sum / seen.searches).toFixed(1)} in the mean; ` +
          `at most ${seen.searchesMost} searches for one of ${EVICTIONS} victims, among ${FRAMES} frames`,
      )
    },
  )

bound.run()
