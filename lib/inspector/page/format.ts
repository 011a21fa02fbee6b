const UNITS = ['B', 'KiB', 'MiB', 'GiB']

/** Writes bytes with a unit: `1.5 MiB`. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}

/** Writes milliseconds with a unit: `250 ms`, `12 s`, `3 min`, `2.5 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return `${(ms / 3_600_000).toFixed(1)} h`
}

/** Writes the time of day of an ISO 8601 text. */
export function clock(iso: string): string {
  return new Date(iso).toLocaleTimeString(undefined, { hour12: false })
}
