import type { IncomingMessage, ServerResponse } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { PROTOCOL } from '../../protocol/messages.ts'
import type { WatchEntry } from '../../protocol/watched-root.ts'
import { addressOf } from '../auth/address.ts'
import { Revocations } from '../auth/revocations.ts'
import type { Sink } from '../delivery/sink.ts'
import { RouteHints } from '../hints/route-hint.ts'
import { Warnings } from '../hints/warnings.ts'
import type { Backend } from './backend.ts'
import { BodyReader } from './body.ts'
import { moduleAddress, serveModule } from './browser-modules.ts'
import { Closing } from './closing.ts'
import { browserCookie, browserValue, browserValues } from './cookie.ts'
import { allowCors } from './cors.ts'
import { Exchange } from './exchange.ts'
import { entriesIn, entriesOf, objectOf, textOf, textsOf, tokenOf } from './fields.ts'
import { inspect, inspectEvents } from './inspector-routes.ts'
import { beginStream, breakPipeline, guard, isOpen, owned, retire, sessionOf } from './response.ts'
import { reached as reachedRoute, watch as watchRoute } from './session-routes.ts'
import { splitTarget } from './target.ts'

/** A request handler for Express 4 and 5, connect, and `http.createServer`. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** Describes a route. */
interface Route {
  readonly methods: readonly string[]
  readonly handle: (exchange: Exchange) => Promise<void>
  /** Whether pages of other origins may never read the answer, whatever `allowOrigin` says. */
  readonly isPrivate?: true
}

/** Creates the handler of a server's routes. */
export function createHandler(server: Backend): RequestHandler {
  const { path } = server.options
  const bodies = new BodyReader(server.options.limits, (error) => server.faults.report(error))
  const shared = { server, bodies, closing: new Closing(() => server.shutdown.draining) }
  const routes: Record<string, Route> = {
    [`${path}/handshake`]: { methods: ['POST'], handle: handshake },
    [`${path}/stream`]: { methods: ['GET', 'POST'], handle: stream },
    [`${path}/watch`]: { methods: ['POST'], handle: watchRoute },
    [`${path}/reached`]: { methods: ['POST'], handle: reachedRoute },
    ...(server.inspector && {
      [`${path}/inspect`]: { methods: ['GET', 'HEAD'], handle: inspect, isPrivate: true },
      [`${path}/inspect/events`]: { methods: ['GET'], handle: inspectEvents, isPrivate: true },
    }),
  }
  const hints = new RouteHints(server.options, new Warnings(server.options))
  const handler = (
    request: IncomingMessage & { originalUrl?: string },
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => {
    if (breakPipeline(request)) return
    const [pathname = '', query = ''] = splitTarget(request.url ?? '/')
    const route = Object.hasOwn(routes, pathname) ? routes[pathname] : moduleRoute(path, pathname)
    const [original = ''] = splitTarget(request.originalUrl ?? request.url ?? '/')
    if (route) hints.matched(request, response)
    else hints.unmatched(request, response, pathname, original)
    if (!route && next) {
      next()
      return
    }
    const base = original.endsWith(pathname) ? original.slice(0, original.length - pathname.length) : ''
    const purpose = route?.handle === stream ? 'stream' : route?.handle === handshake ? 'handshake' : 'other'
    const exchange = new Exchange(shared, request, response, `${base}${path}`, query, purpose)
    if (exchange.isClosing) retire(response)
    guard(response)
    if (!route) {
      exchange.sendError(404, 'NOT_FOUND', 'There is nothing here')
      return
    }
    if (!route.isPrivate && allowCors(request, response, server.options.allowOrigin)) return
    if (!route.methods.includes(request.method ?? '')) {
      const methods = route.methods.join(', ')
      response.setHeader('Allow', route.isPrivate ? methods : `${methods}, OPTIONS`)
      exchange.sendError(405, 'METHOD_NOT_ALLOWED', `This route takes ${methods}`)
      return
    }
    void answer(route, exchange)
  }
  return handler
}

async function answer({ handle }: Route, exchange: Exchange): Promise<void> {
  try {
    // Waits for the connection first. A request behind a stream is never answered, and must cost no lookup
    // and no memory for its body.
    const turn = owned(exchange.response)
    if (turn) await turn
    await handle(exchange)
  } catch (error) {
    exchange.fail(error)
  } finally {
    exchange.releaseBody()
  }
}

/** Returns the route of a module for browsers. */
function moduleRoute(path: string, pathname: string): Route | undefined {
  const address = pathname.startsWith(path) ? moduleAddress(pathname.slice(path.length)) : undefined
  if (!address) return undefined
  const handle = async (exchange: Exchange) => {
    if (!serveModule(exchange, address)) exchange.sendError(404, 'NOT_FOUND', 'There is nothing here')
  }
  return { methods: ['GET', 'HEAD'], handle }
}

async function handshake(exchange: Exchange): Promise<void> {
  const { server, request, response, base } = exchange
  const at = Revocations.now()
  exchange.refuseWhenClosing()
  const body = await exchange.body(['identity', 'previous', 'carrier', 'fork'])
  const {
    identity = null,
    previous,
    carrier = 'address',
    fork = false,
  } = objectOf(body, '{ identity, previous?, carrier?, fork? }')
  if (carrier !== 'header' && carrier !== 'address') {
    throw new ParticleError('INVALID_MESSAGE', 'carrier must be "header" or "address"')
  }
  if (typeof fork !== 'boolean') throw new ParticleError('INVALID_MESSAGE', 'fork must be true or false')
  const token = textOf(previous, 'previous must be the text of a token')
  const browser = carrier === 'address' ? browserValue(request) : undefined
  const granted = await server.grant(identity as Json, request, token, { browser, fork, at })
  if (!isOpen(response)) return
  const { session, expiresAt, live, identity: digest, ticket } = granted
  if (browser !== undefined)
    response.appendHeader('Set-Cookie', browserCookie(request, browser, server.options))
  exchange.sendJson(200, {
    token: granted.token,
    session,
    stream: `${base}/stream${ticket === undefined ? '' : `?token=${ticket}`}`,
    expiresAt: expiresAt.toISOString(),
    protocol: PROTOCOL,
    heartbeat: server.options.heartbeat,
    live,
    identity: digest,
  })
}

async function stream(exchange: Exchange): Promise<void> {
  const { server, request, response } = exchange
  const { token, position, watch, held, reached } = await streamRequest(exchange)
  exchange.refuseWhenClosing()
  await server.openStream(token, browserValues(request), {
    origin: { request, address: addressOf(request) },
    position,
    watch,
    held,
    reached,
    open: () => openSink(exchange),
    onClose: (close) => response.on('close', close),
  })
}

/**
 * Reads the token and the position of a stream's request. A token that is too long for a header comes in the
 * body of a POST.
 */
async function streamRequest(exchange: Exchange): Promise<{
  token: string | undefined
  position: string | undefined
  watch: WatchEntry[]
  held: WatchEntry[] | undefined
  reached: string[]
}> {
  const { request, query } = exchange
  const isPost = request.method === 'POST'
  const body = isPost
    ? objectOf(
        await exchange.body(['token', 'lastEventId', 'watch', 'held', 'reached']),
        '{ token, lastEventId?, watch?, held?, reached? }',
      )
    : {}
  const last = request.headers['last-event-id']
  return {
    token: tokenOf(request, query, body),
    watch: entriesOf(body.watch, 'watch') ?? entriesIn(query, 'watch') ?? [],
    held: entriesOf(body.held, 'held') ?? entriesIn(query, 'held'),
    position:
      textOf(body.lastEventId, 'lastEventId must be a text') ||
      (typeof last === 'string' && last) ||
      query.get('lastEventId') ||
      undefined,
    reached: [
      ...textsOf(body.reached, 'reached must be a list of the texts of server.position(root)'),
      ...query.getAll('reached'),
    ],
  }
}

/**
 * Opens the sink in a function of its own, so that its listeners keep only what they need for the stream's
 * life.
 */
function openSink(exchange: Exchange): Sink | undefined {
  const { server, request, response } = exchange
  if (response.socket === null || !isOpen(response)) return undefined
  exchange.refuseWhenClosing()
  const { heartbeat, compression } = server.options
  const sink = beginStream(request, response, heartbeat, compression)
  exchange.endOnClosing()
  const session = sessionOf(response)
  // Closes the HTTP/2 session, so that the client reconnects on a new connection, and so to another node.
  if (session) response.once('close', () => void (exchange.isClosing && session.close()))
  return sink
}
