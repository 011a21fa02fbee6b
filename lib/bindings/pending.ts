import type { Client } from '../client/client.ts'
import type { Watch } from '../client/watch.ts'
import { watchName } from '../client/watch-name.ts'

interface Pending {
  promise: Promise<void>
  isOver: boolean
  error?: unknown
}

/** Holds what components wait for, by the root's name; the model's name is an empty text. */
const pending = new WeakMap<object, Map<string, Pending>>()

/**
 * Keeps the error of a refused root for a while, since a framework renders a failed component again at once.
 */
const ERROR_KEPT_MS = 1000

/**
 * Returns a promise while the model, or a watched root, has not arrived yet. The promise is the same at each
 * call, and never rejects. Later the function returns `undefined`, also while the client reconnects.
 *
 * @throws ParticleError when the server refuses the client or the root, and when the client is closed;
 *   `INVALID_OPTION` when `params` is not an object
 */
export function pendingOf(client: Client, source?: string, params?: unknown): Promise<void> | undefined {
  const name = source === undefined ? '' : watchName(source, params)
  const all = pending.get(client) ?? new Map<string, Pending>()
  pending.set(client, all)
  let entry = all.get(name)
  if (!entry) {
    const isThere = client.status === 'ready' || client.status === 'stale'
    if (name === '' ? isThere : Object.hasOwn(client.data, name)) return undefined
    const forget = () => all.delete(name)
    entry = { promise: Promise.resolve(), isOver: false }
    entry.promise = wait(client, source, params, entry, forget)
    all.set(name, entry)
  }
  if (entry.error !== undefined) throw entry.error
  return entry.isOver ? undefined : entry.promise
}

async function wait(
  client: Client,
  source: string | undefined,
  params: unknown,
  entry: Pending,
  forget: () => void,
): Promise<void> {
  let watch: Watch | undefined
  try {
    // The watch holds the root until the component is mounted, and watches by itself.
    if (source !== undefined) watch = client.watch(source, params as Record<string, string>)
    await (watch ?? client).ready()
    // The model stays ready for good. A root that nobody watches is dropped, and is waited for anew.
    if (watch) forget()
  } catch (error) {
    entry.error = error
    if (watch) setTimeout(forget, ERROR_KEPT_MS)
  }
  entry.isOver = true
  watch?.close()
}
