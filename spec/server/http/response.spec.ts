import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { beginStream, isOpen, owned, retire, unhook } from '../../../lib/server/http/response.ts'
import { eventually, type Listening, listen } from '../../support/http.ts'

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

describe('server/response', () => {
  let listening: Listening
  let exchanges: { request: IncomingMessage; response: ServerResponse }[]
  const sockets: Socket[] = []

  /** Sends so many requests over one connection; resolves when they have arrived. */
  async function send(count = 1): Promise<Socket> {
    const socket = connect(listening.port, '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write(GET.repeat(count))
    await eventually(() => exchanges.length === count, 'the requests')
    return socket
  }
  const at = (index: number) => {
    const exchange = exchanges[index]
    if (!exchange) throw new Error('There is no such request')
    return exchange
  }

  beforeEach(async () => {
    exchanges = []
    listening = await listen((request, response) => void exchanges.push({ request, response }))
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    await listening.close()
  })

  it('owns its connection once the responses before it have ended, and never when the client goes first', async () => {
    const socket = await send(3)
    const owners: number[] = []
    exchanges.forEach(
      ({ response }, index) => void Promise.resolve(owned(response)).then(() => owners.push(index)),
    )
    await eventually(() => owners.length === 1, 'the first')
    at(0).response.end()
    await eventually(() => owners.length === 2, 'the second')
    socket.destroy()
    await once(at(1).response, 'close')
    expect(owners).to.deep.equal([0, 1])
    expect(exchanges.map(({ response }) => isOpen(response))).to.deep.equal([false, false, false])
  })

  it('is open until somebody answers or the client goes, also while it waits for its turn', async () => {
    await send(2)
    expect(exchanges.map(({ response }) => isOpen(response))).to.deep.equal([true, true])
    at(0).response.end()
    expect(exchanges.map(({ response }) => isOpen(response))).to.deep.equal([false, true])
    at(1).response.destroy()
    expect(isOpen(at(1).response)).to.equal(false)
  })

  it('is an error that names the cause where another has begun it', async () => {
    await send()
    at(0).response.writeHead(200)
    expect(() => isOpen(at(0).response))
      .to.throw(ParticleError, 'A middleware before Particle wrote the head')
      .with.property('code', 'CALLBACK_FAILED')
  })

  it('is the last on its connection when it retires, which is no matter once its head is written', async () => {
    const socket = await send()
    const { response } = at(0)
    retire(response)
    response.writeHead(204)
    retire(response)
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    response.end()
    await once(socket, 'close')
    expect(text).to.contain('Connection: close')
  })

  describe('whose head is written', () => {
    const hang = (response: ServerResponse, seen: string[]) => {
      const { write, end, writeHead } = response
      response.writeHead = ((...args: Parameters<typeof writeHead>) => {
        seen.push('writeHead')
        return writeHead.apply(response, args)
      }) as typeof writeHead
      response.write = ((...args: Parameters<typeof write>) => {
        seen.push('write')
        return write.apply(response, args)
      }) as typeof write
      response.end = ((...args: Parameters<typeof end>) => {
        seen.push('end')
        return end.apply(response, args)
      }) as typeof end
    }

    it('runs nothing more of what others hung on it', async () => {
      await send()
      const { request, response } = at(0)
      const seen: string[] = []
      hang(response, seen)
      const sink = beginStream(request, response, 15_000)
      sink.write(Buffer.from(': \n\n'))
      sink.end()
      await once(response, 'close')
      expect(seen).to.deep.equal(['writeHead'])
    })

    it('goes by what encodes it, for a session of no id', async () => {
      await send()
      const { request, response } = at(0)
      const seen: string[] = []
      Object.assign(request, { sessionID: 'abc', session: { userId: 1 } })
      response.setHeader('Content-Encoding', 'gzip')
      hang(response, seen)
      const sink = beginStream(request, response, 15_000)
      sink.write(Buffer.from(': \n\n'))
      sink.end()
      expect(seen).to.deep.equal(['writeHead', 'write', 'end'])
      expect(Reflect.get(request, 'sessionID')).to.equal(undefined)
      expect(Reflect.get(request, 'session')).to.deep.equal({ userId: 1 })
    })

    it('leaves the data of the session where loggers look for them, and nothing that could be saved', async () => {
      await send()
      const { request, response } = at(0)
      class Session {
        userId = 1
        cookie = { maxAge: 2 }
        save(): void {}
      }
      const session = new Session()
      Object.assign(request, { session })
      unhook(request, response)
      const left = Reflect.get(request, 'session')
      expect(left).to.deep.equal({ userId: 1, cookie: { maxAge: 2 } })
      expect(left).not.to.equal(session)
      Object.assign(request, { session: null })
      expect(Reflect.get(request, 'session')).to.equal(null)
    })

    it('leaves a session that JSON cannot hold, or that throws, as it is', async () => {
      await send()
      const { request, response } = at(0)
      const circle: { self?: object } = {}
      circle.self = circle
      Object.assign(request, { session: circle })
      unhook(request, response)
      expect(Reflect.get(request, 'session')).to.equal(circle)
      Object.defineProperty(request, 'session', {
        configurable: true,
        get: () => {
          throw new Error('no session here')
        },
      })
      expect(() => unhook(request, response)).not.to.throw()
    })
  })
})
