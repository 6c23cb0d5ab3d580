/**
 * The file of a partition, as a round writes it: one write for each run of neighbouring blocks, and an fsync at the end. Counts the
 * calls, so that threads that wait for a flush see that one is under way.
 */
import { performance } from 'node:perf_hooks'
import { add } from '#atomics'
import type { Context, PartitionView } from '../context.js'
import { Latency, PartitionCounter } from '../../shared/counter-words.js'
import { Partition, Syscall } from '../../shared/words.js'
import { DeviceFailure } from './device-failure.js'
import type { ImageSink } from './image-writer.js'

export type WriteDevice = Pick<PartitionView['device'], 'writeSync' | 'syncSync'>

export class PartitionSink implements ImageSink {
  readonly #context: Context
  readonly #partition: PartitionView
  readonly #at: number
  readonly #device: WriteDevice

  /** `device`: if not the partition's. */
  constructor(context: Context, partition: PartitionView, device: WriteDevice = partition.device) {
    this.#context = context
    this.#partition = partition
    this.#at = context.arena.partitionAt(partition.index)
    this.#device = device
  }

  put(images: readonly Uint8Array[], first: number): void {
    const partition = this.#partition
    this.#call(Syscall.WRITE, () => {
      this.#device.writeSync(images, first * partition.blockSize)
    })
    partition.count(PartitionCounter.diskWrites, images.length)
    partition.count(PartitionCounter.diskWriteBytes, images.length * partition.blockSize)
  }

  /** Makes durable what was written. @throws DeviceFailure */
  sync(): void {
    const startMs = performance.now()
    this.#call(Syscall.FSYNC, () => {
      this.#device.syncSync()
    })
    this.#partition.measured(Latency.fsync, performance.now() - startMs)
  }

  /** @throws DeviceFailure */
  #call(syscall: Syscall, call: () => void): void {
    const { words } = this.#context
    add(words, this.#at + Partition.calls, 1)
    try {
      call()
    } catch (error) {
      throw new DeviceFailure(error, syscall)
    } finally {
      add(words, this.#at + Partition.calls, 1)
    }
  }
}
