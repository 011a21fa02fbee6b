import { gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import { InstantSink } from '../../../lib/server/delivery/sink.ts'
import { isAccepted } from '../../../lib/server/http/encodings.ts'
import { GzipSink } from '../../../lib/server/http/gzip-sink.ts'

/** A sink that keeps what was written, and the chunks by which it came. */
class KeepingSink extends InstantSink {
  readonly chunks: Buffer[] = []
  readonly framed: (Buffer | undefined)[] = []

  write(bytes: Buffer, framed?: Buffer): boolean {
    this.chunks.push(bytes)
    this.framed.push(framed)
    return true
  }
}

const sizes = [1, 300, 2047, 2048, 65_000, 65_535, 65_536, 200_000, 700_000]
const texts = sizes.map((size) =>
  Buffer.from('data: a text, again and again. '.repeat(size / 30 + 1)).subarray(0, size),
)

describe('server/gzip-sink', () => {
  it('writes one gzip stream, of small, large and very large buffers', () => {
    const sink = new KeepingSink()
    const gzip = new GzipSink(sink)
    for (const text of texts) gzip.write(text)
    gzip.end()
    expect(gunzipSync(Buffer.concat(sink.chunks)).equals(Buffer.concat(texts))).to.equal(true)
  })

  it('lets a client read each write at once, and frames it as a chunk', () => {
    const sink = new KeepingSink()
    const gzip = new GzipSink(sink)
    for (const [index, text] of texts.entries()) {
      gzip.write(text)
      // As curl and browsers read what has come of a stream.
      const read = gunzipSync(Buffer.concat(sink.chunks), { finishFlush: 2 })
      expect(read.equals(Buffer.concat(texts.slice(0, index + 1)))).to.equal(true)
      const bytes = sink.chunks.at(-1) ?? Buffer.alloc(0)
      const chunk = `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`
      expect(sink.framed.at(-1)?.toString('latin1')).to.equal(chunk)
    }
  })

  it('compresses a buffer once for all sinks, and a delta not at all', () => {
    const [part, delta] = [Buffer.alloc(50_000, 'abc'), Buffer.from('event: delta\ndata: {}\n\n')]
    const sinks = [new KeepingSink(), new KeepingSink()]
    for (const sink of sinks) {
      const gzip = new GzipSink(sink)
      for (const bytes of [delta, part, delta]) gzip.write(bytes)
    }
    const [first, second] = sinks.map(({ framed }) => framed.slice(1))
    for (const [index, chunk] of (first ?? []).entries()) expect(chunk).to.equal(second?.[index])
    expect(first?.[1]?.length).to.be.below(1000)
    expect(first?.[0]?.includes(delta)).to.equal(true)
  })

  it('compresses the changes of a turn for all sinks but the first, which may be the only one', () => {
    const changes = Buffer.from(`event: delta\ndata: ${'{"operation":"inc"},'.repeat(50)}\n\n`)
    const sinks = [new KeepingSink(), new KeepingSink(), new KeepingSink()]
    for (const sink of sinks) {
      const gzip = new GzipSink(sink)
      gzip.write(changes)
      gzip.end()
      expect(gunzipSync(Buffer.concat(sink.chunks)).equals(changes)).to.equal(true)
    }
    const [first, second, third] = sinks.map(({ framed }) => framed[1])
    expect(first?.length).to.be.above(changes.length)
    expect(second?.length).to.be.below(changes.length / 5)
    expect(third).to.equal(second)
  })

  it('writes no chunk of no bytes, which would end the response', () => {
    const sink = new KeepingSink()
    new GzipSink(sink).write(Buffer.alloc(0))
    expect(sink.framed).to.deep.equal([undefined, undefined])
  })

  it('is for clients that accept it', () => {
    for (const accepted of ['gzip', 'br, GZIP', 'gzip;q=0.5', '*'])
      expect(isAccepted(accepted, 'gzip')).to.equal(true)
    for (const refused of [undefined, '', 'br', 'gzip;q=0', '*;q=0', 'gzip;q=0, *'])
      expect(isAccepted(refused, 'gzip')).to.equal(false)
  })
})
