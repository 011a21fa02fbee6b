import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseOption } from '../model/unknown.ts'
import type { Feed } from './feed/feed.ts'
import type { SourceState } from './feed/source-report.ts'
import { withTimeout } from './support/scheduling.ts'

/** Limits the wait for a source that is not followed, and for other nodes' decisions, in milliseconds. */
const ANSWER_TIMEOUT_MS = 2_000

/** Answers the request of a probe, for `app.get()` and `http.createServer()`. */
export type ProbeHandler = (request: IncomingMessage, response: ServerResponse) => void

/** Describes whether a server can serve clients. */
export interface Readiness {
  /** Whether the server opens streams, and each of its sources answers. */
  ready: boolean
  /** Whether the server was drained or closed. */
  closing: boolean
  /** The sources by name: `ok`, else the state of the source. */
  sources: Record<string, 'ok' | Exclude<SourceState, 'open'>>
  /**
   * Whether the server knows what other nodes have revoked (the option `control`); true without `control`.
   */
  control: boolean
}

/**
 * Checks the sources of a server. A followed source reports its state. A source without readers is asked for
 * its position, so that a new server is not ready before its stores are.
 */
export async function readinessOf(
  feeds: Iterable<Feed>,
  closing: boolean,
  rights: { follow(): Promise<void> },
): Promise<Readiness> {
  // Opens the source of the decisions first: a source that is being opened counts as one that is missing.
  const control = await succeedsInTime(rights.follow())
  const found = await Promise.all(
    [...feeds].map(async (feed) => {
      const { state } = feed.report
      if (state === 'open') return [feed.report.name, 'ok'] as const
      const answers = state === 'closed' && (await succeedsInTime(feed.ask()))
      return [feed.report.name, answers ? 'ok' : state] as const
    }),
  )
  return {
    ready: !closing && control && found.every(([, state]) => state === 'ok'),
    closing,
    sources: Object.fromEntries(found),
    control,
  }
}

async function succeedsInTime(work: Promise<unknown>): Promise<boolean> {
  const succeeded = work.then(
    () => true,
    () => false,
  )
  return (await withTimeout(succeeded, ANSWER_TIMEOUT_MS)) ?? false
}

/** Creates a handler that answers 200 when `ready` says so, else 503. The answer is JSON. */
export function probe(check: () => Promise<{ ready: boolean }>): ProbeHandler {
  return (_, response) => {
    check().then(
      (answer) => send(response, answer.ready ? 200 : 503, answer),
      () => send(response, 503, { ready: false }),
    )
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

/**
 * Refuses the call of a method as the handler itself: `app.get('/readyz', server.readyz)` would never answer.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function refuseCall(method: string, given: readonly unknown[]): void {
  if (given.length > 0) refuseOption(`${method} makes a handler: app.get('/${method}', server.${method}())`)
}
