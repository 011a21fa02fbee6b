/** A text that stands in what no client may see: errors of the application, the secret, hidden fields. */
export const INTERNAL = 'INTERNAL'

/** The users of the target, and their passwords. */
export const USERS: ReadonlyMap<string, string> = new Map(
  ['ada', 'ben', 'cy', 'dag', 'eve'].map((name) => [name, `the password of ${name}`]),
)

/** What a client of the target may say. */
export interface Claim {
  user?: unknown
  password?: unknown
  /** Makes the lookup throw. */
  fail?: unknown
  /** Makes the lookup wait. */
  slow?: unknown
  /** Is taken for the user's name, unless it is a text. */
  raw?: unknown
}

/** What the target says of itself. */
export interface Figures {
  connections: number
  /** Bytes of the heap and beside it, after a collection. */
  held: number
  /** What `onError` was told and nobody planned. */
  errors: string[]
}

/** What an answer to a user holds and must not: each as a sentence. */
export function leaksIn(text: string, user: string): string[] {
  const found: string[] = []
  for (const [, owner = ''] of text.matchAll(/ROW-(\w+?)-/g))
    if (owner !== user) found.push(`${user} was shown a row of ${owner}`)
  // The client's script is code, in which the names of errors stand.
  const inner =
    /INTERNAL|10\.0\.0\.1|node_modules|\n {4}at |\.ts:\d+|"message":"[^"]*(?:\w+Error\b|undefined|\/lib\/)/
  const [match] = inner.exec(text) ?? []
  if (match !== undefined) found.push(`${user} was shown ${JSON.stringify(match)}`)
  const [, status] = /^HTTP\/1\.1 (5(?!03)\d\d)/m.exec(text) ?? []
  if (status !== undefined) found.push(`${user} was answered ${status}`)
  return found
}
