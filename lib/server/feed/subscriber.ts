import type { Target } from './batch.ts'
import type { Routed } from './router.ts'

/** Describes a view, as far as its feed uses it. */
export interface Subscriber extends Routed, Target {
  readonly collection: string
  /** Reports that changes are missing. The view then compares the viewers' data with the source. */
  lost(reason: string): void
  /** Reports that the source can't be followed at present. */
  failed(): void
}
