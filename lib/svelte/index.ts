export type { WatchState } from '../bindings/readable.ts'
export { type Live, useParticle, useStatus, useWatch } from './stores.ts'
