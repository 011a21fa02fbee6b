export type { Report } from './report.ts'
export { checkOncePerHost, HostSharing, type HostSource, type OncePerHost } from './sharing.ts'
