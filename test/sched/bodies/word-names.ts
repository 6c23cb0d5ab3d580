// Names of an arena's words, for printed schedules.

import type { Engine } from '../engine.js'
import type { Arena } from '#dist/shared/arena.js'
import { Frame, Group, Header, Job, Partition, Slot, Spare, Wait } from '#dist/shared/words.js'
import { namesOf } from '../../support/words.js'

export function wordNames({ layout }: Engine, arena: Arena): (at: number) => string {
  const { GUARDS_MAX, STRIPE_WORDS, WAITS_MAX } = layout
  const { geometry } = arena
  const fields = (
    what: string,
    start: number,
    struct: Readonly<Record<string, number | string>>,
    count: number,
  ) => {
    const size = Number(struct['WORDS'])
    const names = namesOf(struct)
    return (at: number): string | undefined => {
      if (at < start || at >= start + size * count) return undefined
      const i = Math.floor((at - start) / size)
      return `${what}${count > 1 ? ` ${i}` : ''}.${names.find((name) => struct[name] === (at - start) % size) ?? '?'}`
    }
  }
  const items = (what: string, start: number, size: number, count: number) => (at: number) =>
    at >= start && at < start + size * count
      ? `${what} ${Math.floor((at - start) / size)}[${(at - start) % size}]`
      : undefined
  const regions = [
    fields('header', 0, Header, 1),
    fields('partition', arena.partitionsAt, Partition, geometry.partitions),
    fields('job', arena.jobsAt, Job, geometry.writers),
    fields('group', arena.groupsAt, Group, geometry.groups),
    items('stripe', arena.stripesAt, STRIPE_WORDS, geometry.stripes),
    fields('slot', arena.slotsAt, Slot, geometry.slots),
    items('journal', arena.journalsAt, GUARDS_MAX, geometry.slots),
    fields('wait', arena.waitsAt, Wait, geometry.slots * WAITS_MAX),
    fields('frame', arena.framesAt, Frame, geometry.blocks),
    fields('spare', arena.sparesAt, Spare, geometry.spares),
    items('head', arena.bucketsAt, 1, geometry.buckets),
    items('heap', arena.policyAt, 1, geometry.blocks),
    items('plan', arena.planAt, 1, geometry.blocks),
  ]
  return (at) => {
    for (const nameOf of regions) {
      const name = nameOf(at)
      if (name !== undefined) return name
    }
    return `word ${at}`
  }
}
