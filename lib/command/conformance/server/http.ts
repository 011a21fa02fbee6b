import { type ClientRequest, type IncomingMessage, request as plain } from 'node:http'
import { request as secure } from 'node:https'
import { isObject, type JsonObject } from '../../../model/json.ts'
import { check, Mistake, within } from '../case.ts'

/** A request to the server under test. */
export interface Asked {
  method?: string
  headers?: Record<string, string>
  /** A text is sent as it is, and any other value as JSON. */
  body?: unknown
}

/** An answer of the server under test. */
export interface Answered {
  status: number
  headers: IncomingMessage['headers']
  text: string
  /** The body, if it is a JSON object, else an empty object. */
  body: JsonObject
}

/** Limits the text of an answer or a stream, in characters. A wrong server may never end. */
export const MAX_TEXT = 67_108_864

/**
 * Makes a request on a connection of its own. Resolves to the answer before its body.
 *
 * @throws Mistake without an answer within `timeout` milliseconds
 */
export async function send(
  url: string,
  { method, headers = {}, body }: Asked,
  timeout: number,
): Promise<{ request: ClientRequest; response: IncomingMessage }> {
  const isText = typeof body === 'string'
  const text = isText ? body : JSON.stringify(body)
  const all = body === undefined ? headers : { 'Content-Type': 'application/json', ...headers }
  const options = {
    agent: false as const,
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: all,
  }
  const request = (url.startsWith('https:') ? secure : plain)(url, options)
  const late = setTimeout(() => request.destroy(new Error(`no answer within ${timeout} ms`)), timeout)
  return await new Promise((resolve, reject) => {
    request.once('response', (response) => {
      clearTimeout(late)
      resolve({ request, response })
    })
    // Ignores a connection that the server closes after its answer.
    request.on('error', ({ message }) => {
      clearTimeout(late)
      reject(new Mistake(`${options.method} ${url} failed: ${message}`))
    })
    request.end(text)
  })
}

/** Makes a request as {@link send} does. Resolves to the whole answer. */
export async function ask(url: string, asked: Asked, timeout: number): Promise<Answered> {
  const { request, response } = await send(url, asked, timeout)
  let text = ''
  response.setEncoding('utf8')
  const read = async () => {
    for await (const chunk of response) {
      text += chunk
      check(text.length <= MAX_TEXT, `the answer of ${url} is shorter than ${MAX_TEXT} characters`)
    }
  }
  try {
    await within(timeout, read(), `the end of the answer of ${url}`)
  } finally {
    request.destroy()
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, body: parsed(text) }
}

function parsed(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
