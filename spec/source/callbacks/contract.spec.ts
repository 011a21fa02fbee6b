import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import { CallbackAdapter } from '../../../lib/source/callbacks/adapter.ts'
import type { CallbackSource } from '../../../lib/source/callbacks/form.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Change } from '../../../lib/source/source.ts'
import { sourceContract } from '../../contract/source.contract.ts'

/** A callback source selects its rows itself, is opened once for each view, and tells operations alone. */
const LIMITS = { selects: false, looksUp: false, shares: false, distinguishes: false } as const

for (const positions of [true, false]) {
  sourceContract(
    `callbacks ${positions ? 'that name positions' : 'without positions'}`,
    async () => {
      const store = memory()
      const errors: Error[] = []
      let name = ''
      return {
        adapter: new CallbackAdapter('users', application(), null, (error) => errors.push(error)),
        collection: (given) => {
          name = given
          return store.collection(given)
        },
        exact: false,
        close: async () => {
          if (errors[0]) throw errors[0]
        },
      }

      /** An application that keeps its data itself and counts its changes. */
      function application(): CallbackSource {
        let last = 0
        return {
          payload: async () => {
            const [position, data] = [last, await store.collection(name).find().toArray()]
            return { data, timestamp: new Date(), ...(positions ? { position } : {}) }
          },
          delta: async (_identity, listener) => {
            const ignore = () => undefined
            const ids = new Set((await store.collection(name).find().toArray()).map(({ _id }) => _id))
            const tell = (change: Change) => {
              const oplist = oplistOf(change, ids)
              listener({ timestamp: change.timestamp, oplist, ...(positions ? { position: ++last } : {}) })
            }
            const changes = (told: readonly Change[]) => told.forEach(tell)
            const { close } = await store.open({ changes, progress: ignore, lost: ignore, error: ignore })
            return close
          },
        }
      }
    },
    LIMITS,
  )
}

describe('a source of callbacks', () => {
  it('has no sorted and limited view, so that the contract has no case of one: the server refuses both options', () => {
    const payload = async () => ({ data: [], timestamp: new Date() })
    for (const options of [{ sort: { rank: 1 } }, { limit: 3 }]) {
      const users = { manifest: true, payload, ...options } as never
      expect(() => new Server({ dataSources: { users } })).to.throw('sort and limit go with a collection')
    }
  })
})

/** `ids` are those of all documents that there are. */
function oplistOf(change: Change, ids: Set<unknown>) {
  if (!('operations' in change)) {
    const gone = [...ids].map((id) => ({ operation: 'unset', id, path: '.' }))
    ids.clear()
    return gone
  }
  if (change.kind === 'delete') ids.delete(change.id)
  else ids.add(change.id)
  return change.operations.map((operation) => ({ id: change.id, ...operation }))
}
