import cluster from 'node:cluster'
import { readsOfParameter, returnsNothing, usesParameter } from '../source/callbacks/index.ts'
import type { ResolvedOptions } from './options.ts'
import type { Warnings } from './warnings.ts'

/** What requests have by their cookies. */
const BY_COOKIE = ['session', 'cookies', 'signedCookies', 'user', 'isAuthenticated']

/** Warns of options that are right each by itself, and together do what nobody wants. */
export function warnOfSetup(options: ResolvedOptions, warnings: Warnings): void {
  const { secret, identityLookup, allowOrigin } = options
  const manager = cluster.isWorker
    ? 'This process is a worker of a cluster'
    : process.env.NODE_APP_INSTANCE === undefined
      ? undefined
      : 'PM2 runs this process'
  if (secret === undefined && manager !== undefined) {
    warnings.error(
      'secret',
      `${manager}, and the option secret is not set: the tokens of this process are not known to others, nor to itself after a restart, and streams are answered 401 in turns; give all of them the same secret`,
    )
  }
  if (!identityLookup) return
  if (returnsNothing(identityLookup) && !usesParameter(identityLookup, 2)) {
    warnings.error(
      'identityLookup',
      'identityLookup refuses everybody: its block has no return, and it does not use done; an arrow function returns an object by ({ ... }), in parentheses',
    )
  }
  const [name] = readsOfParameter(identityLookup, 3, BY_COOKIE)
  if (name !== undefined && allowOrigin.length === 1 && allowOrigin[0] === '*') {
    warnings.error(
      'allowOrigin',
      `allowOrigin is "*", for which browsers send no cookies, and identityLookup reads request.${name}, which comes by a cookie: list the origins of the pages in allowOrigin`,
    )
  }
}
