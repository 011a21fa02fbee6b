import { requireFunction } from '../../model/unknown.ts'
import { parseData } from '../../protocol/decode.ts'

/** Receives each event of `server.register`: its name, its data, and its position. */
export type Receiver = (name: string, data: object, id?: string) => void

/**
 * Checks that a receiver and `done` are functions, before a stream is opened.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function checkReceiver(receiver: unknown, done: unknown): void {
  requireFunction('register(identity, receiver, done): receiver', receiver)
  if (done !== undefined) requireFunction('register(identity, receiver, done): done', done)
}

/** Parses a stream that this process wrote, and passes its events to a receiver. */
export function receive(text: string, receiver: Receiver, onError: (error: Error) => void): void {
  for (const block of text.split('\n\n')) {
    let name = ''
    let data: string | undefined
    let id: string | undefined
    for (const line of block.split('\n')) {
      const at = line.indexOf(':')
      const value = line.slice(at + 1).replace(/^ /, '')
      const field = line.slice(0, at)
      if (field === 'event') name = value
      else if (field === 'data') data = value
      else if (field === 'id') id = value
    }
    if (data === undefined) continue
    try {
      receiver(name, parseData(name, data), id)
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)))
    }
  }
}
