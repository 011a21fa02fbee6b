/**
 * Gives a client a mistake: `node --import ./mutants.js driver.mjs` with the name of the mistake in MUTANT. The
 * client reads and writes by the platform's `fetch`, which this module replaces by one that distorts what passes.
 */

/** Splits the operations of a delta over two events. */
function split(frame) {
  const [, head, json] = /^([\s\S]*event: delta\ndata: )(.*)$/.exec(frame) ?? []
  const [root, first, ...rest] = json?.endsWith(']]') ? JSON.parse(json) : []
  if (rest.length === 0) return frame
  return `${head}${JSON.stringify([root, first])}\n\n${head}${JSON.stringify([root, ...rest])}`
}

/** Reads each piece of a stream by itself, as a client without a buffer does. */
const WITHOUT_BUFFER = 'decodes each piece by itself'

const own = JSON.stringify({ error: { code: 'UNAUTHORIZED', message: 'No' } })

/** Each mistake distorts an event, a request or an answer. */
const MUTANTS = {
  'applies more at once': { frame: (frame) => frame.replace(',{"more":true}', '') },
  'ignores resumed: false': { frame: (frame) => frame.replace('"resumed":false', '"resumed":true') },
  'loses id: none': { frame: (frame) => frame.replace(/^id: none\n/, '') },
  'loses an empty id': {
    frame: (frame) => frame.replace(/^id:\n/m, '').replace(/^event: reset$/m, 'event: past'),
  },
  'shows a root before its last part': { frame: (frame) => frame.replace('"last":false', '"last":true') },
  'ignores a reset': { frame: (frame) => frame.replace(/^(?:id:\n)?event: reset$/m, 'event: past') },
  'ignores at': {
    frame: (frame) => frame.replace(/(\["(?:set|noop)",\d,"\.",(?:null|\{[^}]*\})),\d\]/g, '$1]'),
  },
  'ignores session': { frame: (frame) => frame.replace('event: session', 'event: past') },
  'ignores renew': { frame: (frame) => frame.replace('event: renew', 'event: past') },
  'ignores revoked': { frame: (frame) => frame.replace('event: revoked', 'event: past') },
  'ignores watching': { frame: (frame) => frame.replace('event: watching', 'event: past') },
  'ignores reached': { frame: (frame) => frame.replace('event: reached', 'event: past') },
  'applies a part of a delta': { frame: split },
  'fails at an unknown event': { frame: (frame) => frame.replace('event: novelty', 'event: delta') },
  'starts at no malformed event': {
    frame: (frame) => (/\ndata: .*(?:\}|\])$/.test(frame) ? frame : ': past'),
  },
  'increases by 0 without data': {
    frame: (frame) => frame.replace(/(\["inc",\d,"a")\]/, '$1,0]'),
  },
  'inserts at the front': {
    frame: (frame) => frame.replace(/(\["set",4,"\.",\{"_id":4\})\]/, '$1,0]'),
  },
  [WITHOUT_BUFFER]: {},
  'presents no position': { headers: (headers) => headers.delete('Last-Event-ID') },
  'presents the first position for ever': {
    headers: (headers) => headers.has('Last-Event-ID') && headers.set('Last-Event-ID', 'p1'),
  },
  'names no previous token': { body: ({ previous, ...body }) => body },
  'names no identity': {
    body: ({ identity, ...body }) => ({ ...body, ...(identity && { identity: null }) }),
  },
  'writes parameters with spaces': {
    body: ({ add, ...body }) => ({
      ...body,
      ...(add && { add: add.map((root) => root.replace(':', ': ')) }),
    }),
  },
  'never asks to remove a root': {
    body: ({ remove, ...body }) => ({ ...body, ...(remove && { remove: [] }) }),
  },
  'names no held roots': { url: (url) => url.replace(/&held=[^&]*/, '') },
  'ignores Retry-After': { answer: (answer) => answer.headers.delete('Retry-After') },
  'ignores the heartbeat': { json: (json) => ({ ...json, ...(json.heartbeat && { heartbeat: 60_000 }) }) },
  'takes live for true': { json: (json) => ({ ...json, ...('live' in json && { live: true }) }) },
  'ignores expiresAt': {
    json: (json) => ({ ...json, ...(json.expiresAt && { expiresAt: '2999-01-01T00:00:00.000Z' }) }),
  },
  'takes every 401 for final': { refusal: (status, text) => [status, status === 401 ? own : text] },
  'tries again after every 401': { refusal: (status, text) => [status === 401 ? 503 : status, text] },
}

const name = process.env.MUTANT
const mutant = MUTANTS[name]
if (!mutant) throw new Error(`There is no mutant ${name}`)

/** Passes the events of a stream through `frame`. */
function distorted(body) {
  let rest = ''
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  const transform = (chunk, controller) => {
    if (name === WITHOUT_BUFFER) {
      controller.enqueue(encoder.encode(new TextDecoder().decode(chunk)))
      return
    }
    const frames = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) controller.enqueue(encoder.encode(`${mutant.frame?.(frame) ?? frame}\n\n`))
  }
  return body.pipeThrough(new TransformStream({ transform }))
}

const platform = globalThis.fetch
globalThis.fetch = async (url, init = {}) => {
  const headers = new Headers(init.headers)
  mutant.headers?.(headers)
  const body =
    typeof init.body === 'string' && mutant.body
      ? JSON.stringify(mutant.body(JSON.parse(init.body)))
      : init.body
  const answer = await platform(mutant.url?.(String(url)) ?? url, { ...init, headers, body })
  const changed = new Headers(answer.headers)
  if (answer.headers.get('Content-Type')?.startsWith('text/event-stream'))
    return new Response(distorted(answer.body), { status: answer.status, headers: changed })
  const text = await answer.text()
  const [status, refusal] = answer.ok
    ? [answer.status, text]
    : (mutant.refusal?.(answer.status, text) ?? [answer.status, text])
  if (refusal !== text) changed.set('Content-Type', 'application/json')
  const json = answer.ok && mutant.json ? JSON.stringify(mutant.json(JSON.parse(text))) : refusal
  const response = new Response(json, { status, headers: changed })
  mutant.answer?.(response)
  return response
}
