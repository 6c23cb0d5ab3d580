// A strict checker of Chrome's trace-event format, in the form that `dcache/monitor` writes: the fields that each phase must
// have and no others, times in order, ends that match their beginnings, and spans that nest on their track.

type Fields = Readonly<Record<string, unknown>>

/** The fields of each phase, with what they must be. */
const PHASES: Readonly<Record<string, Readonly<Record<string, (value: unknown) => boolean>>>> = (() => {
  const isText = (value: unknown) => typeof value === 'string' && value !== ''
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
  const common = { name: isText, ph: isText, pid: isCount, tid: isCount, args: isObject }
  const timed = { ...common, cat: isText, ts: isCount }
  const isId = (value: unknown) => typeof value === 'string' && /^0x[0-9a-f]+$/.test(value)
  return {
    M: common,
    X: { ...timed, dur: isCount },
    i: { ...timed, s: (value: unknown) => value === 't' },
    b: { ...timed, id: isId },
    e: { ...timed, id: isId },
  }
})()

/** What is wrong with a trace, a line for each fault; none if nothing is. */
export function traceFaults(trace: unknown): string[] {
  if (typeof trace !== 'object' || trace === null) return ['it is no object']
  const { traceEvents, displayTimeUnit, otherData } = trace as Fields
  const faults: string[] = []
  if (displayTimeUnit !== 'ms') faults.push('its displayTimeUnit is wrong')
  if (typeof otherData !== 'object' || otherData === null) faults.push('it has no otherData')
  if (!Array.isArray(traceEvents)) return [...faults, 'it has no traceEvents']
  const events = traceEvents as Fields[]
  events.forEach((event, i) => {
    for (const fault of fieldFaults(event)) faults.push(`event ${i}: ${fault}`)
  })
  if (faults.length > 0) return faults
  return [...orderFaults(events), ...asyncFaults(events), ...stackFaults(events), ...nameFaults(events)]
}

function* fieldFaults(event: Fields): Generator<string> {
  const fields = PHASES[String(event['ph'])]
  if (fields === undefined) {
    yield `its phase is ${String(event['ph'])}`
    return
  }
  for (const [name, isRight] of Object.entries(fields))
    if (!isRight(event[name])) yield `${String(event['ph'])} has ${name} ${JSON.stringify(event[name])}`
  for (const name of Object.keys(event)) if (fields[name] === undefined) yield `it has ${name}`
}

const timeOf = (event: Fields): number => event['ts'] as number

function* orderFaults(events: readonly Fields[]): Generator<string> {
  const first = events.findIndex(({ ph }) => ph !== 'M')
  if (first < 0) return
  if (events.slice(first).some(({ ph }) => ph === 'M')) yield 'metadata comes after events'
  for (let i = first + 1; i < events.length; i++)
    if (timeOf(events[i]!) < timeOf(events[i - 1]!)) yield `event ${i} is before the one before it`
}

/** Events of one category and id are a stack: an end is that of the newest beginning. */
function* asyncFaults(events: readonly Fields[]): Generator<string> {
  const open = new Map<string, string[]>()
  for (const { ph, cat, id, name, pid } of events as readonly Record<string, string>[]) {
    if (ph !== 'b' && ph !== 'e') continue
    const key = `${pid} ${cat} ${id}`
    const stack = open.get(key) ?? []
    open.set(key, stack)
    if (ph === 'b') stack.push(name!)
    else if (stack.pop() !== name) yield `the end of ${name} ${id} is of none, or of another one`
  }
  for (const [key, stack] of open) for (const name of stack) yield `${name} ${key} has no end`
}

/** Spans of a thread nest, in the order in which they stand. */
function* stackFaults(events: readonly Fields[]): Generator<string> {
  const stacks = new Map<string, number[]>()
  for (const event of events) {
    if (event['ph'] !== 'X') continue
    const track = `${String(event['pid'])} ${String(event['tid'])}`
    const ends = stacks.get(track) ?? []
    stacks.set(track, ends)
    const end = timeOf(event) + (event['dur'] as number)
    while (ends.length > 0 && ends.at(-1)! <= timeOf(event)) ends.pop()
    if (ends.length > 0 && ends.at(-1)! < end)
      yield `${String(event['name'])} at ${timeOf(event)} overlaps another span of thread ${track} in part`
    ends.push(end)
  }
}

/** Each track has a name, once. */
function* nameFaults(events: readonly Fields[]): Generator<string> {
  const named = events.filter(({ name }) => name === 'thread_name').map(({ tid }) => tid)
  if (new Set(named).size !== named.length) yield 'a thread has two names'
  for (const { ph, tid } of events)
    if (ph !== 'M' && !named.includes(tid)) yield `thread ${String(tid)} has no name`
  if (events.filter(({ name }) => name === 'process_name').length !== 1) yield 'the process has no name'
}
