import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import type { Program } from './program.ts'

/** What the load has to speak. */
export type Wire = 'sse' | 'http2' | 'websocket' | 'socket.io' | 'centrifugo' | 'pocketbase'

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

/** A server that is a program of its own, told of changes by its HTTP API. */
export interface ProgramCandidate extends Pick<Candidate, 'wire' | 'path' | 'change'> {
  program: Program
}

export type StartProgram = (setting: Setting) => Promise<ProgramCandidate>

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
  'mercure',
  'centrifugo',
  'pocketbase',
  '@tanstack/db',
  'rxdb',
] as const
export type CandidateName = (typeof CANDIDATES)[number]
