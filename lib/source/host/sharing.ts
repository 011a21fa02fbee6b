import { invalidOption } from '../../model/unknown.ts'
import type { ChangeListener, Subscription } from '../source.ts'
import { HostFollowing, type HostSource } from './following.ts'

export type { HostSource }

/**
 * Configures whether the processes of a host share one stream of changes: `true`, or the path of a folder for
 * the socket.
 *
 * All processes of the same user with the same source and the same folder share. The folder is created with
 * the mode 0700 if it is missing. `true` is the folder `particle-<uid>` in the system's temporary folder.
 */
export type OncePerHost = boolean | string

/** Checks the option `oncePerHost`. Throws `INVALID_OPTION`. */
export function checkOncePerHost(where: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean' || (typeof value === 'string' && value !== '')) return
  throw invalidOption(`${where} oncePerHost must be true, false or the path of a folder`)
}

/** Holds the subscriptions of one adapter that share the changes of their host. */
export class HostSharing {
  readonly #source: HostSource
  readonly #folder: string | true
  readonly #followings = new Set<HostFollowing>()

  constructor(source: HostSource, folder: string | true) {
    this.#source = source
    this.#folder = folder
  }

  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    const following = new HostFollowing(this.#source, this.#folder, listener)
    this.#followings.add(following)
    try {
      const subscription = await following.open(from, signal)
      const close = async () => {
        this.#followings.delete(following)
        await subscription.close()
      }
      return { ...subscription, close }
    } catch (error) {
      this.#followings.delete(following)
      throw error
    }
  }

  /** The positions of the subscriptions that have no own stream. */
  get positions(): string[] {
    return [...this.#followings].filter((one) => one.isElsewhere).map(({ position }) => position)
  }

  /** Brings the subscriptions to the end of a read soon. */
  reach(position: string): void {
    for (const following of this.#followings) following.reach(position)
  }

  /** Looks for other leaders if the source's key has changed. */
  renew(): void {
    for (const following of this.#followings) void following.renew()
  }
}
