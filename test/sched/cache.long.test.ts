// @deadline 10800
// The bodies of cache.test.ts, complete with two preemptions; then with three, and with plain stores as points, where the
// number of schedules is limited for the largest; and with policy `adaptive`.

import { suite } from 'uvu'
import { mustHold } from './hold.js'

const cache = suite('cache, long')

const BODIES = ['insert', 'insertThree', 'insertChange', 'free', 'evict', 'evictBack', 'evictDirty', 'evictHeld', 'evictMain', 'evictAll', 'evictTwice', 'run', 'runs', 'runEvict', 'ahead', 'aheadChange', 'aheadEvict', 'latch', 'writers', 'close', 'copyChange', 'copyEvict', 'rewrite', 'reclass', 'discard', 'frames', 'pending', 'pendingOwn', 'pendingTwo', 'releaseReaper', 'changeReaper', 'undoReaper', 'round', 'roundEvict', 'roundTwo', 'classes', 'roundPending', 'roundDiscard', 'roundFlushes', 'roundHot', 'roundWrite', 'share', 'shareHit', 'shareChange', 'shareEvict', 'shareRound', 'roundLeave', 'roundShare', 'roundShareLeave', 'rewriteCopy', 'borrow', 'borrowRound', 'borrowTwo', 'borrowClasses', 'borrowBack'] // prettier-ignore

for (const name of BODIES) {
  cache(`${name} is coherent in every schedule`, async () => {
    await mustHold({ body: `cache.${name}`, preemptions: 2, detours: 0 })
    await mustHold({ body: `cache.${name}`, preemptions: 3, detours: 1, max: 100_000 })
    await mustHold({ body: `cache.${name}`, preemptions: 2, variant: 'stores', max: 100_000 })
    await mustHold({ body: `cache.${name}`, preemptions: 2, detours: 0, variant: 'adaptive', max: 100_000 })
  })
}

cache.run()
