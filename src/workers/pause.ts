/** A pause of an event loop. */

/** Resolves after this many milliseconds. `isBackground`: it does not keep the process alive. */
export const pause = (ms: number, isBackground = false): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    if (isBackground) timer.unref()
  })
