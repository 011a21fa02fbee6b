import type { MongoClient } from 'mongodb'

interface Reply {
  cursor?: { id: unknown }
  cursorsKilled?: unknown[]
  cursorsNotFound?: unknown[]
}

/** Counts the cursors that a client has open on its server, by what the server answers: the client needs `monitorCommands`. */
export class CursorCount {
  readonly #open = new Set<string>()

  constructor(client: MongoClient) {
    // A cursor that is at its end is answered with 0: which one it was, only the question tells.
    const asked = new Map<number, string>()
    client.on('commandStarted', ({ commandName, requestId, command }) => {
      if (commandName === 'getMore') asked.set(requestId, `${command.getMore}`)
    })
    client.on('commandFailed', ({ requestId }) => asked.delete(requestId))
    client.on('commandSucceeded', ({ requestId, reply }) => {
      const { cursor, cursorsKilled = [], cursorsNotFound = [] } = Object(reply) as Reply
      for (const id of [...cursorsKilled, ...cursorsNotFound]) this.#open.delete(`${id}`)
      const question = asked.get(requestId)
      asked.delete(requestId)
      if (!cursor) return
      if (`${cursor.id}` !== '0') this.#open.add(`${cursor.id}`)
      else if (question !== undefined) this.#open.delete(question)
    })
  }

  get open(): number {
    return this.#open.size
  }
}
