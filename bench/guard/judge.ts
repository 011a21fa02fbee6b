import { median } from '../statistics.ts'
import { type Bound, TOLERANCE } from './bounds.ts'

/** The costs of both sides in one round, in any unit. */
export interface Round {
  particle: number
  floor: number
}

/** The median of the rounds' ratios: what slows the machine for a while slows both sides of a round. */
export function ratioOf(rounds: readonly Round[]): number {
  return median(rounds.map(({ particle, floor }) => particle / floor))
}

export type Verdict = 'ok' | 'SLOWER' | 'faster: lower the bound'

/** Compares a ratio with its bound, and with the ratio of an idle machine. */
export function judge(ratio: number, { idle, expected }: Pick<Bound, 'idle' | 'expected'>): Verdict {
  // Not a number is no success.
  if (!(ratio <= expected * TOLERANCE)) return 'SLOWER'
  return ratio < idle / TOLERANCE ? 'faster: lower the bound' : 'ok'
}
