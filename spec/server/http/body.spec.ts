import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { BodyReader } from '../../../lib/server/http/body.ts'
import { collect, heapHeld } from '../../support/garbage.ts'

/** A request of these chunks. */
const make = (chunks: (string | Buffer)[], headers: Record<string, string> = {}) =>
  Object.assign(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), {
    headers: { 'content-type': 'application/json', ...headers },
  }) as unknown as IncomingMessage & { body?: unknown }
const MAX_BODY_BYTES = 512_000
const bounds = { bodyBytes: MAX_BODY_BYTES, bodyMs: 10_000, bodyBytesWaiting: 1_000_000 }
const readJson = (...given: Parameters<BodyReader['json']>) => new BodyReader(bounds, () => {}).json(...given)
const codeOf = async (reading: Promise<unknown>) => {
  const error = await reading.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).to.be.instanceOf(ParticleError)
  return (error as ParticleError).code
}

describe('server/body', () => {
  it('is read as JSON', async () => {
    expect(await readJson(make(['{"identity":', '{"a":1}}']))).to.deep.equal({ identity: { a: 1 } })
    expect(await readJson(make(['null']))).to.equal(null)
  })

  it('may be cut within a character', async () => {
    const bytes = Buffer.from('{"name":"Jürgen 🎈"}')
    const chunks = [...bytes].map((byte) => Buffer.from([byte]))
    expect(await readJson(make(chunks))).to.deep.equal({ name: 'Jürgen 🎈' })
  })

  it('is refused when it is not JSON, or not declared to be', async () => {
    for (const text of ['', '{', 'undefined', '{a:1}', '1 2'])
      expect(await codeOf(readJson(make([text]))), text).to.equal('INVALID_MESSAGE')
    for (const type of [
      '',
      'text/plain',
      'application/jsonx',
      'x/json',
      'application/xml; x=application/json',
    ])
      expect(await codeOf(readJson(make(['{}'], { 'content-type': type }))), type).to.equal(
        'UNSUPPORTED_MEDIA_TYPE',
      )
  })

  it('is refused past its bound, announced or not, and taken up to it', async () => {
    const whole = JSON.stringify('x'.repeat(MAX_BODY_BYTES - 2))
    expect(await readJson(make([whole]))).to.have.length(MAX_BODY_BYTES - 2)
    expect(await codeOf(readJson(make([`${whole} `])))).to.equal('BODY_TOO_LARGE')
    expect(await codeOf(readJson(make([], { 'content-length': String(MAX_BODY_BYTES + 1) })))).to.equal(
      'BODY_TOO_LARGE',
    )
  })

  it('is refused when it breaks off', async () => {
    const request = make([])
    const broken = Object.assign(new Readable({ read() {} }), {
      headers: request.headers,
    }) as unknown as IncomingMessage
    const code = codeOf(readJson(broken))
    broken.push('{')
    broken.destroy()
    expect(await code).to.equal('INVALID_MESSAGE')
  })

  it('is taken from a middleware that has read it', async () => {
    const request = make(['{}'])
    for await (const _ of request);
    expect(await codeOf(readJson(request))).to.equal('INVALID_MESSAGE')
    request.body = { identity: 1, at: new Date(0) }
    expect(await readJson(request)).to.deep.equal({ identity: 1, at: '1970-01-01T00:00:00.000Z' })
  })

  it('is read when a middleware set an empty body and read nothing', async () => {
    const request = make(['{"identity":1}'])
    request.body = {}
    expect(await readJson(request)).to.deep.equal({ identity: 1 })
  })

  it('is taken from a middleware that kept its text or its bytes', async () => {
    const text = '{"identity":"ä"}'
    for (const body of [text, Buffer.from(text), new Uint8Array(Buffer.from(text))]) {
      const request = make([text])
      for await (const _ of request);
      expect(await readJson(Object.assign(request, { body }), ['identity'])).to.deep.equal({ identity: 'ä' })
    }
  })

  it('is refused where it has content, but no field that is known', async () => {
    for (const text of ['{"identty":1}', '{"toString":1}'])
      expect(await codeOf(readJson(make([text]), ['identity', 'previous'])), text).to.equal('INVALID_MESSAGE')
    for (const text of ['{}', '{"previous":null}', '{"identity":1,"more":2}', '[1]', 'null'])
      expect(await readJson(make([text]), ['identity', 'previous'])).to.deep.equal(JSON.parse(text))
  })

  it('is refused where nothing is left of what was sent', async () => {
    const request = make(['{"identity":1}'], { 'content-length': '14' })
    for await (const _ of request);
    expect(await codeOf(readJson(Object.assign(request, { body: {} })))).to.equal('INVALID_MESSAGE')
  })

  it('is refused at once when its sender has gone already', async () => {
    const request = make(['{}'])
    request.destroy()
    expect(await codeOf(readJson(request))).to.equal('INVALID_MESSAGE')
  })

  it('is held once while its request lasts: as what was read, and no longer as its text', async function () {
    if (!collect) return this.skip()
    const chunk = Buffer.from(JSON.stringify('x'.repeat(500_000)))
    await readJson(make([chunk]))
    const before = heapHeld()
    const lasting: unknown[] = []
    for (let count = 0; count < 20; count++) {
      const request = make([chunk])
      lasting.push(request, await readJson(request))
    }
    expect(heapHeld() - before).to.be.within(20 * 400_000, 20 * 750_000)
    expect(lasting).to.have.length(40)
  })

  it('counts until it is released, and once', async () => {
    const errors: Error[] = []
    const reader = new BodyReader({ ...bounds, bodyBytesWaiting: 1_000 }, (error) => errors.push(error))
    const body = JSON.stringify('x'.repeat(600))
    const [first, second, third] = [make([body]), make([body]), make([body])]
    await reader.json(first)
    expect(await codeOf(reader.json(second))).to.equal('UNAVAILABLE')
    for (const request of [first, first, second]) reader.release(request)
    expect(await reader.json(third)).to.equal('x'.repeat(600))
    expect(await codeOf(reader.json(make([body])))).to.equal('UNAVAILABLE')
    expect(errors).to.have.length(2)
  })
})
