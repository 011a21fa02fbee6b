export { checkOncePerHost, HostSharing, type HostSource, type OncePerHost } from './sharing.ts'
