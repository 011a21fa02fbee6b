import { BSON, type MongoClient } from 'mongodb'

interface Reply {
  /** Encoded, where the request has the option `raw`. */
  cursor?: { id?: unknown } | Uint8Array
  cursorsKilled?: unknown[]
  cursorsNotFound?: unknown[]
}

/** Counts the cursors that a client has open on its server, by what the server answers: the client needs `monitorCommands`. */
export class CursorCount {
  readonly #open = new Set<string>()
  /** Keeps the cursors that have ended: an answer that was under way may name them once more. */
  readonly #ended = new Set<string>()

  constructor(client: Pick<MongoClient, 'on'>) {
    // A cursor that is at its end is answered with 0: which one it was, only the question tells.
    const asked = new Map<number, string>()
    client.on('commandStarted', ({ commandName, requestId, command }) => {
      if (commandName === 'getMore') asked.set(requestId, `${command.getMore}`)
    })
    client.on('commandFailed', ({ requestId }) => asked.delete(requestId))
    client.on('commandSucceeded', ({ requestId, reply }) => {
      const { cursor, cursorsKilled = [], cursorsNotFound = [] } = Object(reply) as Reply
      for (const id of [...cursorsKilled, ...cursorsNotFound]) this.#end(`${id}`)
      const question = asked.get(requestId)
      asked.delete(requestId)
      if (!cursor) return
      const { id: given } = cursor instanceof Uint8Array ? BSON.deserialize(cursor) : cursor
      const id = `${given}`
      if (id === '0') this.#end(question)
      else if (!this.#ended.has(id)) this.#open.add(id)
    })
  }

  #end(id: string | undefined): void {
    if (id === undefined) return
    this.#open.delete(id)
    this.#ended.add(id)
  }

  get open(): number {
    return this.#open.size
  }
}
