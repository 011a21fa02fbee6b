import { once } from 'node:events'
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect } from 'chai'
import { Closing, serverOf } from '../../../lib/server/http/closing.ts'
import { eventually } from '../../support/http.ts'

describe('server/closing', () => {
  const listening = async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return server
  }

  it('finds the server that a request came by, where there is one', () => {
    const server = createServer()
    const requestOf = (socket: object | undefined) => ({ socket }) as IncomingMessage
    expect(serverOf(requestOf(Object.assign(new Socket(), { server })))).to.equal(server)
    expect(serverOf(requestOf({ server: {} }))).to.equal(undefined)
    expect(serverOf(requestOf({}))).to.equal(undefined)
    expect(serverOf(requestOf(undefined))).to.equal(undefined)
  })

  it('takes a server for closed that listened and does no more, and not after it listens again', async () => {
    const closing = new Closing(() => false)
    const server = await listening()
    expect(closing.has(server)).to.equal(false)
    server.close()
    expect(closing.has(server)).to.equal(true)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    expect(closing.has(server)).to.equal(false)
    server.close()
  })

  it('does not take one for closed that never listens: another process accepts its sockets', () => {
    const closing = new Closing(() => false)
    const server = createServer()
    expect(closing.has(server)).to.equal(false)
    expect(closing.has(undefined)).to.equal(false)
  })

  it('ends the streams of a server that closes, once, and no others', async () => {
    const closing = new Closing(() => false)
    const [one, other] = [await listening(), await listening()]
    const streams = [one, one, one, other].map((server) => {
      closing.has(server)
      const request = new IncomingMessage(new Socket())
      const response = new ServerResponse(request)
      const stream = { response, ends: 0 }
      response.end = () => {
        stream.ends++
        return response
      }
      closing.watch(server, response)
      return stream
    })
    streams[1]?.response.emit('close')
    one.close()
    await eventually(() => streams[0]?.ends === 1, 'the end')
    other.close()
    await eventually(() => streams[3]?.ends === 1, 'the end')
    expect(streams.map(({ ends }) => ends)).to.deep.equal([1, 0, 1, 1])
    for (const { response } of streams) response.emit('close')
  })
})
