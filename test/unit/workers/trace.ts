// The threads of trace.test.ts: they record numbered steps.

import { Tracer } from '#dist/shared/trace.js'
import { openSmall } from '../../support/small-context.js'
import type { Thread } from '../../support/threads.js'

export function record({ buffer, index, args }: Thread<{ each: number }>): void {
  const tracer = new Tracer(openSmall(buffer), index)
  for (let i = 0; i < args.each; i++) tracer.record(index, index, i, i ^ index)
}
