/**
 * `modify`: measures the cost of a change compared with the bare work, what write-back and changes of the class add to it,
 * and the two mechanisms that make the cache survive the death of a thread.
 */
import { makeFolder } from '../harness/folder.js'
import type { Suite } from '../harness/suite.js'
import { CHANGES, FLOORS, measureChanges } from './changes.js'
import { BESIDE, FLIPPED, measureBeside, measureFlipped } from './class-changes.js'
import { HOT_SET, measureHotSet } from './hot-set.js'
import { measurePrices, PRICES } from './prices.js'

export const modify: Suite = {
  name: 'modify',
  about:
    'change a block, compared with the bare work; a hot set and changes of the class; what journal and image cost',
  seconds: 480,
  async run(settings, say) {
    const startMs = performance.now()
    using folder = makeFolder()
    say('modify: changes')
    const { changes, floors } = await measureChanges(folder, settings)
    const hotSet = await measureHotSet(folder, settings, say)
    say('modify: a block that changes its class')
    const beside = await measureBeside(folder, settings)
    const flipped = await measureFlipped(folder, settings)
    say('modify: what the journal and the image cost')
    const prices = await measurePrices(folder, settings)
    return {
      name: 'modify',
      title: 'Changes',
      about: 'Change a byte of a cached block and mark the block dirty.',
      sections: [
        {
          name: 'changes',
          title: 'What a change costs',
          about:
            'Each thread changes its own blocks, one byte of each in turn. Clean blocks are written between the batches, ' +
            'which is not timed. For dirty blocks, an image is saved: of the whole block, or of the declared range.',
          columns: CHANGES,
          rows: changes,
        },
        {
          name: 'floors',
          title: 'Changes of dirty blocks, compared with the bare work',
          about:
            'The same dirty blocks, and writes of them by writeSync. No round runs. The floor of a change is a ' +
            'compare-and-swap on a word of the block, a copy of the block into one private buffer, a byte, and an atomic ' +
            'subtraction; that of a block write copies a buffer into the block instead. They copy by fill of Buffer, the ' +
            'fastest copy of plain Node.js; by set it takes longer. The hit floor is that of the suite hit, over 16,384 ' +
            'random blocks; changes of 64 bytes are compared with it. Ratios are of the same round. "To one thread" is the ' +
            'throughput of all threads in terms of one thread; the last two columns compare that with the floor.',
          columns: FLOORS,
          rows: floors,
        },
        {
          name: 'hot-set',
          title: 'A hot set that is rewritten without end',
          about:
            'Threads change a byte of each of 8,192 blocks in turn, whole blocks by guard, in a cache of 16,384 blocks with ' +
            'default options. The rate is compared with that of the same cache without rounds, and the bytes written with ' +
            'one write of the hot set every flush delay of 5 s. On the slowed disk a write takes as long as its bytes at that ' +
            'rate, and an fsync that many milliseconds.',
          columns: HOT_SET,
          rows: hotSet,
        },
        {
          name: 'class-changes',
          title: 'Other blocks, while one changes its class',
          about:
            'One thread changes 64 declared bytes of 1,024 blocks in turn, while another one changes one block, each time in ' +
            'another write class. Default options.',
          columns: BESIDE,
          rows: [beside],
        },
        {
          name: 'flipped',
          title: 'The flush of a block that has changed its class',
          about: 'One block is changed in turn in two write classes as fast as possible, and then flushed.',
          columns: FLIPPED,
          rows: [flipped],
        },
        {
          name: 'prices',
          title: 'What it costs to survive a death',
          about:
            'The engine, compared with a copy without the journal of pins, or without the saved image of a dirty block. ' +
            'One thread; ratios are of the same round. Caches and workers are created several times, because V8 inlines ' +
            'differently from worker to worker.',
          columns: PRICES,
          rows: prices,
        },
      ],
      leftOut: [],
      seconds: (performance.now() - startMs) / 1000,
    }
  },
}
