export { checkOncePerHost, HostSharing, type HostSource, type OncePerHost } from './sharing.ts'
export type { Report } from './wire.ts'
