export { CallbackAdapter } from './adapter.ts'
export { callback } from './call.ts'
export type { CallbackSource } from './form.ts'
export { hasText, readsOfParameter, returnsNothing, usesParameter } from './function-text.ts'
