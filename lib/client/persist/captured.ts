import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { canonical } from '../../model/json.ts'
import { invalidOption } from '../../model/unknown.ts'
import type { InitialModel } from '../../protocol/initial.ts'
import { PROTOCOL } from '../../protocol/messages.ts'
import { isWatchedRoot } from '../../protocol/watched-root.ts'
import type { PersistedClient } from '../persistence.ts'

/**
 * Returns the present model of a client with its position, without the watched roots that the position is not
 * for. Returns undefined while no position describes the model.
 */
export function modelOf({
  store,
  live,
  watches,
  link,
  transport,
}: PersistedClient): InitialModel | undefined {
  const { position } = link
  const { manifest } = store
  if (!position || !manifest) return undefined
  // Reads the arrays, since a snapshot of a large root would build its index first.
  const model = store.data
  const watch = watches.list.held
  const names = watch.map((entry) => (typeof entry === 'string' ? entry : entry.root))
  const roots = Object.keys(model).filter((root) => !isWatchedRoot(root) || names.includes(root))
  return {
    ...{ protocol: PROTOCOL, position, token: transport.token, watch },
    timestamp: (live.lastUpdated ?? new Date()).toISOString(),
    sources: Object.fromEntries(roots.map((root) => [root, manifest[root] ?? true])),
    data: Object.fromEntries(roots.map((root) => [root, [...(model[root] ?? [])]])),
  }
}

/**
 * Identifies the server and the user of a client by a hash. The store reveals no identity, which may be a
 * password.
 *
 * @param key names the user in place of the client's identity
 * @throws ParticleError `INVALID_OPTION` when nothing names the user
 */
export async function ownerOf(client: PersistedClient, key: string | number | undefined): Promise<string> {
  const identity = key ?? (await client.identity())
  if (identity === undefined || identity === null)
    throw invalidOption(
      'persist needs to know whose data it keeps: give the option identity, or name the user by ' +
        "indexedDB('app', { key: user.id }); for data that all may see, { key: 'public' }.",
    )
  if (!globalThis.crypto?.subtle)
    throw new ParticleError('STORE_FAILED', 'persist needs a secure context: serve the page by https.')
  const text = `${client.transport.address}\n${canonical(identity as Json)}`
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
