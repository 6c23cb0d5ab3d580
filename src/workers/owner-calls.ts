/**
 * Calls of attached threads that only the owner can carry out. They go over a BroadcastChannel that is named after the cache: a
 * thread posts its call, and the owner posts the answer to that thread. Both need an event loop anyway: the calls are
 * asynchronous. A thread that ends leaves at most an answer that nothing reads.
 */
import { BroadcastChannel, threadId } from 'node:worker_threads'
import type { Context } from '../core/context.js'
import { CacheError, type CacheErrorJson } from '../shared/errors.js'
import { SLICE_MS } from '../shared/wait.js'

/** What a thread asks for: to set the size of a partition, or to add to it. */
export interface OwnerCall {
  readonly what: 'resize' | 'extend'
  readonly partition: number
  readonly generation: number
  readonly blocks: number
  readonly timeoutMs: number
}

interface Question {
  readonly to: 'owner'
  readonly from: string
  readonly number: number
  readonly call: OwnerCall
}

interface Answer {
  readonly to: string
  readonly number: number
  readonly value?: number
  readonly error?: CacheErrorJson | { readonly message: string }
}

/** A message event: the DOM's types are not there. */
type Received = Readonly<{ data: unknown }>

const channelOf = (id: string): BroadcastChannel => new BroadcastChannel(`dcache ${id}`)

/** Answers the calls of other threads. Returns a function that ends that. Does not keep the process alive. */
export function serveCalls(id: string, serve: (call: OwnerCall) => Promise<number>): () => void {
  const channel = channelOf(id)
  channel.unref()
  const answer = async ({ from, number, call }: Question): Promise<void> => {
    let answer: Answer
    try {
      answer = { to: from, number, value: await serve(call) }
    } catch (error) {
      const { message } = error as Error
      answer = { to: from, number, error: error instanceof CacheError ? error.toJSON() : { message } }
    }
    channel.postMessage(answer)
  }
  channel.onmessage = (received: unknown) => {
    const { data } = received as Received
    if ((data as Question | Answer).to === 'owner') void answer(data as Question)
  }
  return () => {
    channel.close()
  }
}

let calls = 0

/**
 * Asks the owner; resolves to its answer. The thread stays alive until then.
 * @throws what the owner's call throws; the error of notOpenError, if the engine stops in the meantime
 */
export async function askOwner(context: Context, id: string, call: OwnerCall): Promise<number> {
  const from = `${threadId} ${Math.random()}`
  const number = ++calls
  const channel = channelOf(id)
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      channel.onmessage = (received: unknown) => {
        const { to, number: of, value, error } = (received as Received).data as Answer
        if (to !== from || of !== number) return
        if (error === undefined) {
          resolve(value!)
          return
        }
        const restored = CacheError.from(error)
        reject(restored instanceof CacheError ? restored : new Error(error.message))
      }
      timer = setInterval(() => {
        if (!context.isRunning) reject(context.notOpen())
      }, SLICE_MS)
      channel.postMessage({ to: 'owner', from, number, call } satisfies Question)
    })
  } finally {
    clearInterval(timer)
    channel.close()
  }
}
