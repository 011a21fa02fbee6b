import { counted } from '../model/count.ts'
import type { EventData, ServerEvent } from '../protocol/messages.ts'
import { describeOperation } from './operation.ts'
import { cut, printable, valueText } from './text.ts'

/** Limits the sentences about one event. */
export const MAX_SENTENCES = 20

/** Limits the characters of a name or a message in a sentence. */
const MAX_NAME = 200

/**
 * Describes an event for people, one sentence for each operation. Never names a token or a position. The
 * result is safe to print: characters that a terminal obeys are escaped.
 */
export function describeEvent(event: ServerEvent): string[] {
  switch (event.event) {
    case 'delta':
      return ofDelta(event.data)
    case 'payload':
      return [ofPayload(event.data)]
    case 'manifest':
      return [ofManifest(event.data)]
    case 'watching':
      return [`The client watches ${names(Object.keys(event.data.sources))}`]
    case 'ready':
      return ['The model is complete']
    case 'reset':
      return [`${name(event.data.root)} is loaded again (${name(event.data.reason)})`]
    case 'revoked':
      return [`The stream ends (${name(event.data.reason)})`]
    case 'error':
      return [ofError(event.data)]
    case 'session':
      return ['The client gets a new token']
    case 'renew':
      return [`The client must make a handshake within ${event.data.within} ms (${name(event.data.reason)})`]
    case 'reached':
      return ['The model has a write that the client waits for']
    case 'ping':
      return ['The server is alive']
  }
}

/** Names the root of an event, if the event is about one root. */
export function rootOf({ data }: ServerEvent): string | undefined {
  return 'root' in data ? data.root : undefined
}

function ofDelta({ root, oplist }: EventData['delta']): string[] {
  const sentences = oplist
    .slice(0, MAX_SENTENCES)
    .map((op) => `${name(root)} ${valueText(op.id)}${op.path === '.' ? '' : ':'} ${describeOperation(op)}`)
  const left = oplist.length - sentences.length
  return left > 0 ? [...sentences, `… and ${counted(left, 'more operation')}`] : sentences
}

function ofPayload({ root, data, part, last }: EventData['payload']): string {
  const place = part === 0 && last ? '' : ` (part ${part + 1}${last ? ', the last' : ''})`
  return `${name(root)} has ${counted(data.length, 'document')}${place}`
}

function ofManifest({ sources, resumed, reason }: EventData['manifest']): string {
  const how = resumed ? 'continues' : 'begins'
  return `The stream ${how} with ${names(Object.keys(sources))}${reason ? ` (${name(reason)})` : ''}`
}

function ofError({ root, code, message }: EventData['error']): string {
  return `${root === undefined ? '' : `${name(root)}: `}${name(code)}: ${name(message)}`
}

function names(roots: readonly string[]): string {
  return roots.length > 0 ? cut(roots.map(name).join(', '), 500) : 'no root'
}

function name(text: unknown): string {
  return cut(printable(String(text)), MAX_NAME)
}
