/**
 * Starts to measure. Returns a function that tells the CPU time since, in microseconds. The young garbage is
 * collected on both ends, so that each side of a round pays for its own, and for nobody else's.
 */
export function startMeter(): () => number {
  collect()
  const before = process.cpuUsage()
  return () => {
    collect()
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
}

function collect(): void {
  globalThis.gc?.({ type: 'minor', execution: 'sync' })
}
