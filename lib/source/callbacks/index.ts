export { CallbackAdapter } from './adapter.ts'
export { callback } from './call.ts'
export type { CallbackSource } from './form.ts'
export { usesParameter } from './function-text.ts'
