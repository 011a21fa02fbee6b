import type { Adapter, ChangeListener, CollectionHandle } from '../../lib/source/source.ts'

/** A collection whose reports come late, in their order: so many milliseconds each. */
export function late({ adapter, collectionName }: CollectionHandle, ms: () => number): CollectionHandle {
  const open = (listener: ChangeListener, from?: string, signal?: AbortSignal) => {
    let last = Promise.resolve()
    const later = (report: () => void) => {
      const due = new Promise((resolve) => setTimeout(resolve, ms()))
      last = last.then(() => due).then(report)
    }
    return adapter.open(
      {
        changes: (changes, position) => later(() => listener.changes(changes, position)),
        progress: (position) => later(() => listener.progress(position)),
        lost: (reason, position) => later(() => listener.lost(reason, position)),
        error: (error) => listener.error(error),
      },
      from,
      signal,
    )
  }
  const proxy = new Proxy<Adapter>(adapter, {
    get: (target, key) => {
      if (key === 'open') return open
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { adapter: proxy, collectionName }
}
