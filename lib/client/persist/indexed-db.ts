import { invalidOption } from '../../model/unknown.ts'
import type { Persist } from '../persistence.ts'
import type { ChunkStore, Header, StoreChange } from './chunk-store.ts'
import { ModelKeeper } from './model-keeper.ts'

/** Configures where and for whom a model is kept. */
export interface PersistOptions {
  /**
   * Names the user whose data is kept, such as the user's id. Needed where the server knows the user by a
   * cookie. Default: the client's option `identity`.
   */
  key?: string | number | undefined
}

/** The name of the only object store. Its key 0 has the header, the others have chunks. */
const OBJECTS = 'model'
const HEADER = 0
/** Limits the time to open a database, in milliseconds. Browsers have known faults that never answer. */
const OPEN_TIMEOUT_MS = 3_000
/** Counts the texts that are written at a time, so that no task is long. */
const BATCH = 20
/** Limits the wait for an idle page, in milliseconds. */
const IDLE_TIMEOUT_MS = 200

/**
 * Keeps a client's model, its position and its watched roots in a database of the browser:
 * `new Client({ identity, persist: indexedDB('app') })`. A reload shows the model at once, and transfers only
 * what has changed. The model is removed when the rights are revoked, by `client.forget()`, and when another
 * identity comes. Needs a secure context (`https`, or localhost).
 *
 * @param name names the database. Clients with different models need different names.
 * @throws ParticleError `INVALID_OPTION` for another name, option or key
 */
export function indexedDB(name: string, options: PersistOptions = {}): Persist {
  const { key, ...rest } = Object(options)
  const isKey = key === undefined || typeof key === 'string' || typeof key === 'number'
  const unknown = Object(options) === options ? Object.keys(rest)[0] : `${options}`
  if (typeof name !== 'string' || name === '' || !isKey || unknown !== undefined)
    throw invalidOption(
      `indexedDB(name, { key }) takes the name of a database, and a key that is a text or a number${
        unknown === undefined ? '' : `: the option "${unknown}" is not known`
      }.`,
    )
  return (client) => {
    const { document } = globalThis
    const listeners: [target: EventTarget | undefined, type: string, listener: () => void][] = [
      [document, 'visibilitychange', () => document.visibilityState === 'hidden' && keeper.save()],
      [globalThis, 'pagehide', () => keeper.leave()],
      [globalThis, 'pageshow', () => keeper.return()],
    ]
    const keeper = new ModelKeeper(client, {
      key,
      store: () => IndexedDbStore.open(`particle:${name}`),
      after: (milliseconds, callback) => {
        const timer = setTimeout(callback, milliseconds)
        return () => clearTimeout(timer)
      },
      idle,
      onEnd: () => {
        for (const [target, type, listener] of listeners) target?.removeEventListener?.(type, listener)
      },
    })
    for (const [target, type, listener] of listeners) target?.addEventListener?.(type, listener)
    return keeper
  }
}

/** Resolves when the page is idle. Safari has no `requestIdleCallback`. */
function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ('requestIdleCallback' in globalThis)
      requestIdleCallback(() => resolve(), { timeout: IDLE_TIMEOUT_MS })
    else setTimeout(resolve)
  })
}

/** Keeps chunks in a database of the browser. */
class IndexedDbStore implements ChunkStore {
  readonly #db: IDBDatabase
  #unlock = () => {}

  private constructor(db: IDBDatabase) {
    this.#db = db
    // Lets an application delete the database.
    db.onversionchange = () => this.close()
  }

  static async open(name: string): Promise<IndexedDbStore> {
    if (!globalThis.indexedDB) throw new Error('There is no IndexedDB here.')
    const request = globalThis.indexedDB.open(name, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(OBJECTS)
    const late = new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error('The database does not open.')), OPEN_TIMEOUT_MS),
    )
    return new IndexedDbStore(await Promise.race([answerOf(request), late]))
  }

  async read(keysOf: (header: Header) => readonly number[]) {
    const objects = this.#db.transaction(OBJECTS).objectStore(OBJECTS)
    const header = (await answerOf(objects.get(HEADER))) as Header | undefined
    const texts = new Map<number, string>()
    const keys = header ? keysOf(header) : []
    await Promise.all(keys.map(async (key) => texts.set(key, await answerOf(objects.get(key)))))
    return { header, texts }
  }

  async write({ check, header, put, remove }: StoreChange): Promise<boolean> {
    const transaction = this.#db.transaction(OBJECTS, 'readwrite')
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error)
    })
    done.catch(() => {})
    const objects = transaction.objectStore(OBJECTS)
    try {
      if (!check(await answerOf(objects.get(HEADER)))) return false
      if (remove === 'all') objects.clear()
      else for (const key of remove) objects.delete(key)
      for (const [index, [key, text]] of put.entries()) {
        const request = objects.put(text, key)
        if (index % BATCH === 0) await answerOf(request)
      }
      objects.put(header, HEADER)
      transaction.commit()
    } catch (error) {
      // A failed write may have aborted the transaction already.
      if (!transaction.error) transaction.abort()
      throw error
    }
    await done
    return true
  }

  lock(): Promise<void> {
    const controller = new AbortController()
    return new Promise((resolve, reject) => {
      const held = new Promise<void>((release) => {
        this.#unlock = () => {
          release()
          controller.abort()
        }
      })
      navigator.locks
        .request(this.#db.name, { signal: controller.signal }, () => {
          resolve()
          return held
        })
        .catch((error) => {
          if (!controller.signal.aborted) reject(error)
        })
    })
  }

  unlock(): void {
    this.#unlock()
  }

  close(): void {
    this.#unlock()
    this.#db.close()
  }
}

/** Resolves to the result of a request. */
function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
