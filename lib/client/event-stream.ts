import { ParticleError } from '../errors.ts'
import { invalidOption } from '../model/unknown.ts'
import { failureOf, networkFailure } from './answer.ts'
import { eventParser } from './event-parser.ts'
import type { Clock, Failure, Sink } from './transport.ts'

/** Holds the parameters of a request for a stream. */
export interface StreamRequest {
  fetch: typeof globalThis.fetch
  /** A complete address. */
  address: string
  /** The headers, as an object, and the other parts of the request. */
  init: RequestInit
  clock: Clock
}

/** Names the likely causes, by the kind of failure. */
const HINTS = {
  away: 'Does a proxy, a content blocker or a cross-origin rule (allowOrigin) keep streams from this page?',
  unauthorized: 'Do all nodes have the same secret, and does a proxy in between change the request?',
  other: 'Does a proxy pass /handshake on to Particle, and not /stream?',
}

/**
 * Opens a stream by `fetch`, which can set headers and read a refusal. Delivers all events of a chunk
 * synchronously, so that the client can notify its listeners once.
 *
 * @returns a function that closes the stream
 */
export function openEventStream(request: StreamRequest, sink: Sink): () => void {
  const controller = new AbortController()
  const { signal } = controller
  const lost = (error: unknown) => {
    if (!signal.aborted) sink.lost(error)
  }
  read(request, sink, signal).then(lost, lost)
  return () => controller.abort()
}

/** Reads a stream to its end. Resolves to the reason of the end. */
async function read(request: StreamRequest, sink: Sink, signal: AbortSignal): Promise<Failure> {
  const { fetch, address, init, clock } = request
  const asked = `${init.method ?? 'GET'} ${address}`
  try {
    const response = await fetch(address, {
      ...init,
      headers: { Accept: 'text/event-stream', ...(init.headers as object) },
      signal,
    })
    const { status, headers, body } = response
    if (status !== 200 || !/^text\/event-stream\b/i.test(headers.get('Content-Type') ?? ''))
      return await refusalOf(asked, response, clock.now())
    if (!body) throw invalidOption('This fetch cannot stream: give an EventSource as an option.')
    sink.opened()
    const reader = body.getReader()
    const text = new TextDecoder()
    const parse = eventParser((...event) => sink.event(...event))
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { error: new ParticleError('UNAVAILABLE', 'The stream was ended.'), type: 'ended' }
      sink.opened()
      parse(text.decode(value, { stream: true }))
    }
  } catch (cause) {
    if (cause instanceof ParticleError) throw cause
    return { ...networkFailure(asked, cause), hint: HINTS.away }
  }
}

async function refusalOf(asked: string, response: Response, now: number): Promise<Failure> {
  const failure = await failureOf(asked, response, 'text/event-stream', now)
  // Asks for a new handshake, because only a handshake can refuse the identity.
  if (failure.isUnauthorized) return { ...failure, type: 'unauthorized', hint: HINTS.unauthorized }
  // Keeps the plain failure of an answer of Particle: the request has passed all proxies.
  return failure.own ? failure : { ...failure, hint: HINTS.other }
}
