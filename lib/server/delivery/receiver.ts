import { requireFunction } from '../../model/unknown.ts'

/** What `server.register` calls for each event: its name, its data, and the position it carries. */
export type Receiver = (name: string, data: object, id?: string) => void

/** Refuses what can't be called, before a stream is opened for it. @throws ParticleError `INVALID_OPTION` */
export function checkReceiver(receiver: unknown, done: unknown): void {
  requireFunction('register(identity, receiver, done): receiver', receiver)
  if (done !== undefined) requireFunction('register(identity, receiver, done): done', done)
}

/** Reads the text of a stream that this process wrote itself, and hands its events to a receiver. */
export function eventReceiver(receiver: Receiver, onError: (error: Error) => void): (text: string) => void {
  return (text) => {
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
        receiver(name, JSON.parse(data), id)
      } catch (error) {
        onError(error instanceof Error ? error : new Error(String(error)))
      }
    }
  }
}
