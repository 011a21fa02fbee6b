import { memory } from '../../lib/source/memory/index.ts'

interface Store {
  store: ReturnType<typeof memory>
  /** How many follow the store now. */
  open: () => number
}

/** A memory store that counts who follows it. */
export function counted(): Store {
  const store = memory()
  let open = 0
  const follow = store.open.bind(store)
  store.open = async (...given: Parameters<typeof follow>) => {
    const subscription = await follow(...given)
    open++
    return {
      ...subscription,
      position: subscription.position,
      close: async () => {
        open--
        await subscription.close()
      },
    }
  }
  return { store, open: () => open }
}
