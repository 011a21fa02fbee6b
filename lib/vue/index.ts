export type { WatchState } from '../bindings/readable.ts'
export { useParticle, useStatus, useWatch } from './composables.ts'
