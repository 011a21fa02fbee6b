import { type Channel, channel } from 'node:diagnostics_channel'
import { guarded } from './failure.ts'

/** An event with its name and its fields, for each name of `Fields`. */
export type Named<Fields> = { [N in keyof Fields & string]: { name: N } & Fields[N] }[keyof Fields & string]

/** Publishes the events of a server to listeners, and to the process's channels `particle:<name>`. */
export class Publisher<Fields> {
  readonly #listeners = new Set<(event: Named<Fields>, message?: string) => void>()
  readonly #channels: Readonly<Record<keyof Fields & string, Channel>>

  /** @param channels made by {@link channelsOf} */
  constructor(channels: Readonly<Record<keyof Fields & string, Channel>>) {
    this.#channels = channels
  }

  /** Checks whether an event has listeners, since its fields cost time. */
  has(name: keyof Fields & string): boolean {
    return this.#listeners.size > 0 || this.#channels[name].hasSubscribers
  }

  /** Calls a listener with each event. Returns a function that ends it. */
  subscribe(onEvent: (event: Named<Fields>, message?: string) => void): () => void {
    // A listener that throws must not disturb what it is told of.
    const listener = guarded(onEvent)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Reports an event, if it has a listener. */
  report<N extends keyof Fields & string>(name: N, fields: Fields[N], message?: string): void {
    if (!this.has(name)) return
    const event = { name, ...fields } as Named<Fields>
    this.#channels[name].publish(event)
    for (const listener of this.#listeners) listener(event, message)
  }
}

/** Creates the channels of events, once. A look-up by name at each event would cost more than the event. */
export function channelsOf<N extends string>(names: readonly N[]): Record<N, Channel> {
  return Object.fromEntries(names.map((name) => [name, channel(`particle:${name}`)])) as Record<N, Channel>
}
