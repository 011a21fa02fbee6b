import type { CandidateName } from './candidate.ts'

/** What one candidate gave, by the name of the figure. */
export type Figures = Record<string, number>

/** One thing that is measured. */
export interface Scenario {
  name: string
  title: string
  /** What each figure is, and its unit. */
  columns: Record<string, string>
  candidates: readonly CandidateName[]
  /** Whom the others' figures are divided by; none where there is nothing to compare with. */
  base: CandidateName | undefined
  rounds: { full: number; quick: number }
  /** One candidate's figures of one round. */
  run(candidate: CandidateName, quick: boolean): Promise<Figures>
  /** What Particle is to reach, of the medians. */
  targets: readonly Target[]
  /** Why it can't be run here, if so. */
  unavailable?(): string | undefined
}

export interface Target {
  text: string
  met(medians: Partial<Record<CandidateName, Figures>>): boolean
}

/** The figure of one candidate divided by that of another. */
export function ratio(
  medians: Partial<Record<CandidateName, Figures>>,
  column: string,
  of: CandidateName,
  to: CandidateName,
): number {
  return (medians[of]?.[column] ?? Number.NaN) / (medians[to]?.[column] ?? Number.NaN)
}
