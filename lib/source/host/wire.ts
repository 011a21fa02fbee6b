import { type ErrorCode, ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import type { Change, DocumentChange } from '../source.ts'
import type { Report } from './report.ts'

/** The version of the messages. Processes with different versions have different sockets. */
export const FORMAT = 1

/**
 * Describes a message between a leader and a follower: one line of JSON. `welcome` says after which position
 * the reports begin, `alive` is sent when there is nothing to report, and a follower sends `reach` after a
 * read.
 *
 * JSON costs less here than the alternatives, since a change is JSON already: for a change of 1.2 KB, parsing
 * takes 4 µs, `v8.deserialize` 9 µs, and decoding the event's own BSON 9 µs, before its translation.
 */
export type Message =
  | readonly ['welcome', position: string]
  | readonly ['alive']
  | readonly ['reach', position: string]
  | readonly ['changes', position: string, changes: readonly Change[]]
  | readonly ['progress', position: string]
  | readonly ['lost', position: string, reason: string]
  | readonly ['error', code: ErrorCode | null, message: string]

/** Returns the line of a message. */
export function encode(message: Message): string {
  return `${JSON.stringify(message)}\n`
}

/** Returns the message of a report. */
export function messageOf(report: Report): Message {
  switch (report.kind) {
    case 'changes':
      return ['changes', report.position, report.changes.map(shortened)]
    case 'progress':
      return ['progress', report.position]
    case 'lost':
      return ['lost', report.position, report.reason]
    case 'error': {
      const { error } = report
      const message = error instanceof Error ? error.message : String(error)
      return ['error', error instanceof ParticleError ? error.code : null, message]
    }
  }
}

/** Returns the report of a message; `undefined` for a message that is no report. */
export function reportOf(message: Message): Report | undefined {
  switch (message[0]) {
    case 'changes':
      return { kind: 'changes', position: message[1], changes: message[2].map(completed) }
    case 'progress':
      return { kind: 'progress', position: message[1] }
    case 'lost':
      return { kind: 'lost', position: message[1], reason: message[2] }
    case 'error':
      return {
        kind: 'error',
        error: message[1] ? new ParticleError(message[1], message[2]) : new Error(message[2]),
      }
    default:
      return undefined
  }
}

/** Leaves out an operation that sets the change's own document, so that no document is sent twice. */
function shortened(change: Change): Change {
  if (!('id' in change) || change.document === undefined) return change
  const [first, ...others] = change.operations
  const isWhole =
    first?.operation === 'set' && first.path === '.' && first.data === change.document && others.length === 0
  return isWhole ? { ...change, operations: [] } : change
}

function completed(change: Change): Change {
  if (!('id' in change) || change.document === undefined || change.operations.length > 0) return change
  const operations: DocumentChange['operations'] = [
    { operation: 'set', path: '.', data: change.document as Json },
  ]
  return { ...change, operations }
}

/** Splits the bytes of a connection into lines. */
export class Lines {
  #parts: Buffer[] = []

  /** Returns the messages that end in these bytes. */
  take(bytes: Buffer): Message[] {
    const messages: Message[] = []
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.#parts.push(bytes.subarray(from, end))
      messages.push(JSON.parse(Buffer.concat(this.#parts).toString()))
      this.#parts = []
      from = end + 1
    }
    if (from < bytes.length) this.#parts.push(bytes.subarray(from))
    return messages
  }
}
