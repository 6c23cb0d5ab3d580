/**
 * The edits that remove a mechanism from a copy of the engine.
 */
import type { Edit } from '../harness/engine-copy.js'

const inHit = (find: string, replace = ''): Edit => ({ file: 'core/blocks/hit.js', find, replace })
const inHitPath = (find: string): Edit => ({ file: 'core/client/hit-path.js', find, replace: '' })

/** Pins of hits are not journaled: a thread that dies leaves its pins. */
export const NO_JOURNAL: readonly Edit[] = [
  inHitPath('words[entry] = frame << 2 | 1 /* TAKING */;'),
  inHitPath('words[entry] = 0 /* FREE */;'),
  inHitPath('words[entry] = frame << 2 | 2 /* HELD */;'),
  inHit('words[entry] = frame << 2 | 1 /* TAKING */;'),
  inHit('words[entry] = 0 /* FREE */;\n    return false;', 'return false;'),
  inHit('words[entry] = frame << 2 | 2 /* HELD */;'),
  inHit('words[entry] = frame << 2 | 3 /* GIVING */;'),
  inHit('  words[entry] = 0 /* FREE */;\n  if (', '  if ('),
]

/** No image is saved of a dirty block that is changed: no discard, and a thread that dies leaves half a change. */
export const NO_IMAGE: readonly Edit[] = [
  inHit(
    'const alone = isAlone(context, frame);',
    'context.words[context.arena.frameAt(frame) + 6 /* undo */] = -1 /* INTENT */; return true;',
  ),
]
