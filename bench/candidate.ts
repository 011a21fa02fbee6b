import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'

/** What the load has to speak. */
export type Wire = 'sse' | 'http2' | 'websocket' | 'socket.io'

/** A server of one kind, in a process of its own. */
export interface Candidate {
  server: Server | Http2Server
  wire: Wire
  /** The path that a client opens. */
  path: string
  connections(): number
  /** Makes so many changes within this turn of the event loop; each goes to every client. */
  change(count: number): void | Promise<void>
}

export interface Setting {
  /** How many documents there are. */
  people: number
}

export type Start = (setting: Setting) => Candidate | Promise<Candidate>

export const CANDIDATES = [
  'floor',
  'particle',
  'particle-gzip',
  'particle-http2',
  'better-sse',
  'socket.io',
  'socket.io-deflate',
  'ws',
  'express',
  '@tanstack/db',
  'rxdb',
] as const
export type CandidateName = (typeof CANDIDATES)[number]
