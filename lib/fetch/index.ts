export { type FetchHandler, type FetchOptions, fetchHandler } from './handler.ts'
export type { FetchRequest } from './request.ts'
