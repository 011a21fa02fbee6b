// What the processes of the crowd have in common: they collect what came to their clients, and report it to crowd.ts.
import type { Sighting } from './history.ts'
import { Sightings } from './sightings.ts'
import type { Shown } from './visitors.ts'

/** What came to the clients of the process since the last report. */
export interface CrowdReport {
  sightings: Sighting[]
  flaws: string[]
  /** Counts streams that were lost, roots that were loaded again, refusals, and errors by their code. */
  counts: Record<string, number>
}

export type CrowdMessage = { report: CrowdReport } | { models: Shown[] } | { closed: true }

const REPORT_MS = 250

export const sightings = new Sightings()
let flaws: string[] = []
let counts: Record<string, number> = {}

export function count(what: string, times = 1): void {
  counts[what] = (counts[what] ?? 0) + times
}

export function flaw(sentence: string): void {
  if (flaws.length < 20) flaws.push(sentence)
}

export function send(message: CrowdMessage): void {
  process.send?.(message)
}

setInterval(() => {
  send({ report: { sightings: sightings.take(), flaws, counts } })
  flaws = []
  counts = {}
}, REPORT_MS)
