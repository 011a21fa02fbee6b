/** The middle of a list of numbers, or the mean of the two in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The list begun at another place each round, so that no candidate always comes first. */
export function rotated<T>(list: readonly T[], round: number): T[] {
  const at = round % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

/** A figure as text, of three digits that say something. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return 'none'
  if (Number.isInteger(value) && value < 100) return String(value)
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
