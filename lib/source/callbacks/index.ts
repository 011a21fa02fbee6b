export { CallbackAdapter, type CallbackSource } from './adapter.ts'
export { CALLBACK_TIMEOUT, callback } from './call.ts'
