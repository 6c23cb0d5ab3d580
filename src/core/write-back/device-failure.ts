/** What a call of the device threw. Anything else that a writer throws is a fault of the engine. */
const EIO = -5

export class DeviceFailure extends Error {
  readonly errno: number
  /** As in Partition.syscall. */
  readonly syscall: number

  constructor(cause: unknown, syscall: number) {
    super('a call of the device failed', { cause })
    this.errno = (cause as NodeJS.ErrnoException).errno ?? EIO
    this.syscall = syscall
  }
}
