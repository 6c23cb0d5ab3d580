/** comlink ships its adapter for worker_threads without declarations that an ES module could find. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { Endpoint } from 'comlink'
  import type { MessagePort, Worker } from 'node:worker_threads'
  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint
}
