export { CallbackAdapter } from './adapter.ts'
export { CALLBACK_TIMEOUT, callback } from './call.ts'
export type { CallbackSource } from './form.ts'
