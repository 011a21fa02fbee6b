import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect } from 'chai'
import { allowCors, isCrossOrigin, isEncrypted } from '../../../lib/server/http/cors.ts'

const A = 'https://a.example.com'

const exchange = (method: string, headers: Record<string, string>) => {
  const request = Object.assign(new IncomingMessage(new Socket()), { method, headers })
  return { request, response: new ServerResponse(request) }
}
const ask = (method: string, headers: Record<string, string>, allowed: string[]) => {
  const { request, response } = exchange(method, headers)
  const answered = allowCors(request, response, allowed)
  return { answered, headers: { ...response.getHeaders() }, status: response.statusCode }
}
const crosses = (origin: string | undefined, host: string, allowed = origin ? [origin] : []) =>
  isCrossOrigin(exchange('POST', { host, ...(origin ? { origin } : {}) }).request, allowed)

describe('server/cors', () => {
  it('answers every preflight, and lets only allowed origins in', () => {
    expect(ask('OPTIONS', {}, [])).to.deep.equal({ answered: true, headers: {}, status: 204 })
    expect(ask('OPTIONS', { origin: A }, [])).to.deep.equal({ answered: true, headers: {}, status: 204 })
    expect(ask('OPTIONS', { origin: 'https://b' }, [A])).to.deep.equal({
      answered: true,
      headers: { vary: 'Origin' },
      status: 204,
    })
    expect(ask('OPTIONS', { origin: A }, [A]).headers).to.include({
      'access-control-allow-origin': A,
      'access-control-allow-methods': 'GET, POST',
    })
  })

  it('leaves other requests to the routes', () => {
    const { answered, headers } = ask('POST', { origin: A }, [A])
    expect(answered).to.equal(false)
    expect(headers).to.deep.equal({
      vary: 'Origin',
      'access-control-allow-origin': A,
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers': 'Retry-After',
    })
  })

  it('never lets * go with credentials', () => {
    const { headers } = ask('POST', { origin: 'https://b' }, ['*'])
    expect(headers['access-control-allow-origin']).to.equal('*')
    expect(headers).not.to.have.property('access-control-allow-credentials')
  })

  it('prefers the name of an origin to *', () => {
    const { headers } = ask('POST', { origin: A }, ['*', A])
    expect(headers['access-control-allow-origin']).to.equal(A)
    expect(headers['access-control-allow-credentials']).to.equal('true')
  })

  it('tells caches that the answer depends on the origin, also where none came', () => {
    expect(ask('GET', {}, [A]).headers).to.deep.equal({ vary: 'Origin' })
    expect(ask('GET', {}, []).headers).to.deep.equal({})
  })

  it('does not take what looks like an allowed origin for one', () => {
    for (const origin of [
      `${A}.evil.com`,
      'https://evil.com/a.example.com',
      'null',
      A.toUpperCase(),
      `${A}:8443`,
    ])
      expect(ask('POST', { origin }, [A]).headers, origin).to.deep.equal({ vary: 'Origin' })
  })

  it('knows pages of the own origin, and those that are not let in, from those of another', () => {
    expect(crosses(undefined, 'a.example.com')).to.equal(false)
    expect(crosses(A, 'a.example.com')).to.equal(false)
    expect(crosses('http://localhost:3000', 'localhost:3000')).to.equal(false)
    expect(crosses('http://localhost:3000', 'localhost:4000')).to.equal(true)
    expect(crosses(A, 'b.example.com')).to.equal(true)
    expect(crosses(A, 'b.example.com', [])).to.equal(false)
    expect(crosses('capacitor://localhost', 'b.example.com')).to.equal(true)
  })

  it('knows the own origin by :authority over HTTP/2, whatever the Host says', () => {
    const catchUp = (headers: Record<string, string>) =>
      isCrossOrigin(exchange('POST', { origin: A, ...headers }).request, [A])
    expect(catchUp({ ':authority': 'a.example.com' })).to.equal(false)
    expect(catchUp({ ':authority': 'a.example.com', host: 'b.example.com' })).to.equal(false)
    expect(catchUp({ ':authority': 'b.example.com', host: 'a.example.com' })).to.equal(true)
  })

  it('knows TLS by the socket, also where a proxy stands for that', () => {
    const of = (socket: object) => isEncrypted({ socket } as IncomingMessage)
    const hidden = new Proxy({}, { get: (_target, name) => name === 'encrypted' })
    expect([of({}), of({ encrypted: true }), of(hidden)]).to.deep.equal([false, true, true])
  })
})
