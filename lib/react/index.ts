export type { WatchState } from '../bindings/readable.ts'
export { useParticle, useReady, useStatus, useWatch } from './hooks.ts'
