import { isDeepStrictEqual } from 'node:util'
import type { Soaked } from './load.ts'

/**
 * Heap after the last client left, at most, by that before the first came. The last admissions of up to 10,000
 * sessions are kept as long as their tokens may live, a minute at least: some 2 KB each of 950 clients.
 */
const GROWTH = 1.25

/** What a server still holds on to after the last client left, in sentences. */
export function leaks({ before, after }: Soaked): string[] {
  const found: string[] = []
  for (const key of ['heap', 'buffers'] as const) {
    const grown = after[key] / before[key]
    if (grown > GROWTH)
      found.push(`${key}: ${before[key]} bytes became ${after[key]}, ${grown.toFixed(2)} times`)
  }
  for (const key of ['resources', 'listeners'] as const) {
    if (!isDeepStrictEqual(before[key], after[key]))
      found.push(`${key}: ${JSON.stringify(before[key])} became ${JSON.stringify(after[key])}`)
  }
  if (after.cursors > 0) found.push(`${after.cursors} cursors are open`)
  if (after.tickers > 0) found.push(`${after.tickers} callback sources were not stopped`)
  const { connections, views, replay } = after.stats
  if (connections + views + replay.changes + replay.bytes > 0)
    found.push(`stats: ${JSON.stringify(after.stats)}`)
  for (const error of new Set(after.errors)) found.push(`error: ${error}`)
  return found
}
