import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Adapter, ChangeListener, Subscription } from '../../lib/source/source.ts'
import { until } from './local.ts'

/** Makes a folder for the sockets of one spec. */
export async function socketFolder(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'particle-host-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

const NOTHING: ChangeListener = {
  changes: () => {},
  progress: () => {},
  lost: () => {},
  error: () => {},
}

/**
 * Shows an adapter that shares its host's stream with another process's, which is open already: its openings resolve
 * once it follows that one.
 *
 * @param streams tells how many streams the two have open
 */
export async function following<T extends Adapter>(
  leader: Adapter,
  adapter: T,
  streams: () => number,
): Promise<{ adapter: T; close(): Promise<void> }> {
  const leading = await leader.open(NOTHING)
  await until(() => streams() === 1, 'the leader follows')
  const open = async (...given: Parameters<Adapter['open']>): Promise<Subscription> => {
    const before = streams()
    const subscription = await adapter.open(...given)
    await until(() => streams() <= before, 'the leader is followed')
    return subscription
  }
  return {
    adapter: new Proxy(adapter, {
      get: (target, key) => {
        if (key === 'open') return open
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    }),
    close: () => leading.close(),
  }
}
