import { scopeOf, TokenSeal } from '../../lib/server/tokens/token.ts'
import { CALLBACK_ROOTS, type Identity, ROOTS, sourcesOf } from './roots.ts'

/** What all nodes seal tokens with. */
export const SECRET = 'a secret that all nodes share'

/** Tokens are sealed for a server's roots: nodes serve the one or the other of these. */
const seals = [ROOTS, CALLBACK_ROOTS].map(
  (roots) =>
    new TokenSeal(
      SECRET,
      scopeOf({
        path: '/particle',
        dataSources: Object.fromEntries(sourcesOf(roots).map((name) => [name, {}])) as never,
        audience: undefined,
      }),
    ),
)

/** Who the users are at first. */
export const USERS: Readonly<Record<string, Identity>> = {
  ann: { user: 'ann', team: 'red', kinds: ['x', 'y'] },
  ben: { user: 'ben', team: 'blue', kinds: ['y'] },
  cat: { user: 'cat', team: 'red', kinds: [] },
}

/** What the application knows of its users, and knew before; null of one whom it refuses. */
export class People {
  readonly #known = new Map<string, (Identity | null)[]>(
    Object.entries(USERS).map(([user, identity]) => [user, [identity]]),
  )

  /** What `identityLookup` finds now. */
  find(user: string): Identity | null {
    return this.knew(user).at(-1) ?? null
  }

  knew(user: string): readonly (Identity | null)[] {
    return this.#known.get(user) ?? []
  }

  change(user: string, identity: Identity | null): void {
    this.#known.get(user)?.push(identity)
  }
}

/** What one stream's client is taken for. Its rights may be looked up anew while it is open. */
export class Standing {
  /** What its last token seals. */
  identity: Identity
  /** It was too slow, and a token may have been among what it was not sent. */
  slow = false
  readonly user: string
  readonly #first: Identity
  readonly #people: People
  readonly #since: number
  #token: string | undefined

  constructor(people: People, identity: Identity) {
    const { user } = identity
    this.#people = people
    this.user = user
    this.identity = identity
    this.#first = identity
    this.#since = people.knew(user).length - 1
  }

  /** All that the server may have found this client to be since the stream was opened. */
  get identities(): Identity[] {
    const later = this.#people.knew(this.user).slice(this.#since)
    return [this.#first, ...later.filter((identity) => identity !== null)]
  }

  /** The stream handed out another token. */
  renewed(token: string): void {
    this.#token = token
  }

  /** Reads the last token. */
  async settle(): Promise<void> {
    const token = this.#token
    if (token === undefined) return
    const { identity } = await Promise.any(seals.map((seal) => seal.open(token, true)))
    this.identity = identity as Identity
  }
}
