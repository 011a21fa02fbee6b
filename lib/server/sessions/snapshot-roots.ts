import { IncomingMessage } from 'node:http'
import { describeGiven } from '../../model/given.ts'
import { isObject } from '../../model/json.ts'
import { refuseOption } from '../../model/unknown.ts'
import { type Params, watchedRoot } from '../../protocol/watched-root.ts'

/**
 * Names the roots of a snapshot: one root, or a list of roots, where a source with parameters has its
 * parameters: `['users', ['messages', { room: 7 }]]`.
 */
export type SnapshotRoots = string | readonly (string | readonly [source: string, params: Params])[]

/**
 * Returns the names of a snapshot's roots.
 *
 * @param sources the names of the sources
 * @throws ParticleError `INVALID_OPTION` for a root that the server does not have
 */
export function namesOf(
  sources: readonly string[],
  roots: SnapshotRoots,
  params: Params | undefined,
): string[] {
  const list = typeof roots === 'string' ? [params === undefined ? roots : ([roots, params] as const)] : roots
  const refuse = (sentence: string): never => refuseOption(`snapshot(identity, roots, params): ${sentence}`)
  if (!Array.isArray(list))
    return refuse(
      `roots is a name, or a list such as ['users', ['messages', { room: 7 }]], but ${describeGiven(list)}`,
    )
  return list.map((each: unknown) => {
    const [source, values] = Array.isArray(each) ? each : [each]
    if (typeof source !== 'string' || (Array.isArray(each) && !isObject(values)))
      return refuse(
        "roots lists names and pairs, such as ['users', ['messages', { room: 7 }]], " +
          `but has ${JSON.stringify(each)}`,
      )
    if (!sources.includes(source))
      return refuse(`there is no source "${source}"; known are ${sources.join(', ')}`)
    return values === undefined ? source : watchedRoot(source, values)
  })
}

/** Checks for a request of Node's http or http2, which Express and others extend. */
export function isRequest(value: unknown): value is IncomingMessage {
  return value instanceof IncomingMessage || typeof Object(Object(value).stream).respond === 'function'
}
