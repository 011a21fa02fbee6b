import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'

const SCRIPT = new URL('../../../dist/browser/client.js', import.meta.url)
let script: Promise<{ bytes: Buffer; etag: string }> | undefined

/** Describes a request for the script, with its response. */
interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Answers with the browser client, which the build writes to `dist/browser`. */
export async function clientScript({ request, response }: Asked): Promise<void> {
  script ??= readFile(SCRIPT).then((bytes) => ({
    bytes,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 20)}"`,
  }))
  const { bytes, etag } = await script.catch((cause: unknown) => {
    script = undefined
    throw cause
  })
  response.setHeader('ETag', etag)
  response.setHeader('Cache-Control', 'no-cache')
  if (isKnown(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end()
    return
  }
  response.writeHead(200, {
    'Content-Type': 'text/javascript; charset=utf-8',
    'Content-Length': bytes.length,
  })
  response.end(request.method === 'HEAD' ? undefined : bytes)
}

/** Compares tags weakly (RFC 9110, 13.1.2), since a compressing proxy makes tags weak. */
function isKnown(tags: string | undefined, etag: string): boolean {
  return (tags ?? '').split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
}
