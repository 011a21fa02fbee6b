import { isObject } from '../model/json.ts'
import { type Params, parseWatchedRoot, watchedRoot } from '../protocol/watched-root.ts'
import { Misuse } from './misuse.ts'

/** Describes the stream that `particle tail` shows. */
export interface TailTarget {
  url: string
  identity: unknown
  headers: readonly (readonly [name: string, value: string])[]
  watched: readonly { source: string; params: Params }[]
}

/** Reads the arguments of `particle tail`. @throws Misuse that names the argument and its form */
export function tailTarget(
  urls: readonly string[],
  identity: string | undefined,
  headers: readonly string[] = [],
  watched: readonly string[] = [],
): TailTarget {
  const [url, ...more] = urls
  if (url === undefined || more.length > 0)
    throw new Misuse('tail takes one address, such as http://localhost:3000/particle')
  return {
    url: addressOf(url),
    identity: identity === undefined ? undefined : identityOf(identity),
    headers: headers.map(headerOf),
    watched: watched.map(watchedOf),
  }
}

/** Adds the default path to an address without one. */
function addressOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Misuse('the address begins with http:// or https://, such as http://localhost:3000/particle')
  // Leaves the address out of the message, since it holds a password.
  if (url.username || url.password)
    throw new Misuse("the address holds a password: pass it by --header 'authorization: Basic …'")
  return url.pathname === '/' ? new URL('/particle', url).href : url.href
}

function identityOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Misuse(`--identity is JSON, such as --identity '{"user":"ann"}'`)
  }
}

function headerOf(text: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([\w!#$%&'*+.^`|~-]+)\s*:\s*([^\r\n]*)$/.exec(text) ?? []
  // Leaves the header out of the message, since it may hold a secret.
  if (name === '') throw new Misuse("--header is a name and a value, such as --header 'cookie: session=1'")
  return [name, value]
}

function watchedOf(text: string): { source: string; params: Params } {
  const at = text.indexOf('?')
  const form = `--watch is a source and its parameters, such as --watch 'messages?{"room":7}'`
  let params: unknown
  try {
    params = at > 0 ? JSON.parse(text.slice(at + 1)) : undefined
  } catch {
    throw new Misuse(form)
  }
  // Writes the name anew, since people write parameters in any order and with spaces.
  const parsed = isObject(params) ? parseWatchedRoot(watchedRoot(text.slice(0, at), params)) : undefined
  if (!parsed) throw new Misuse(form)
  return parsed
}
