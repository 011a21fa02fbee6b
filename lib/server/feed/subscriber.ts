import type { Target } from './batch.ts'
import type { Routed } from './router.ts'

/** A view, as far as its feed routes changes to it. */
export interface Subscriber extends Routed, Target {
  readonly collection: string
  /** Reports that changes are missing: what viewers hold must be compared with what there is now. */
  lost(reason: string): void
  /** Reports that the source can't be followed at present. */
  failed(): void
}
