import { expect } from 'chai'
import { type Flushable, Flusher, MOST_JOINED, writeAlone } from '../../lib/server/flusher.ts'

class Writer implements Flushable {
  pending: Buffer[] = []
  readonly written: Buffer[] = []
  readonly framed: (Buffer | undefined)[] = []
  readonly #flusher: Flusher

  constructor(flusher: Flusher) {
    this.#flusher = flusher
  }

  push(...chunks: Buffer[]): this {
    for (const chunk of chunks) if (this.pending.push(chunk) === 1) this.#flusher.add(this)
    return this
  }

  write(bytes: Buffer, framed?: Buffer): void {
    this.written.push(bytes)
    this.framed.push(framed)
  }

  get texts(): string[] {
    return this.written.map(String)
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const [A, B, C] = [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]

describe('server/flusher', () => {
  it('writes what was gathered in one turn in one piece, and not before its end', async () => {
    const writer = new Writer(new Flusher()).push(A, B)
    await Promise.resolve()
    writer.push(C)
    expect(writer.texts).to.deep.equal([])
    await turn()
    expect(writer.texts).to.deep.equal(['abc'])
    expect(writer.pending).to.deep.equal([])
    writer.push(C)
    await turn()
    expect(writer.texts).to.deep.equal(['abc', 'c'])
  })

  it('joins the same chunks once for all who gathered them', async () => {
    const flusher = new Flusher()
    const writers = [1, 2, 3].map(() => new Writer(flusher).push(A, B))
    await turn()
    for (const { written } of writers) expect(written).to.deep.equal([Buffer.from('ab')])
    expect(new Set(writers.map(({ written }) => written[0])).size).to.equal(1)
  })

  it('frames them once too, as a chunk of HTTP in the same memory', async () => {
    const flusher = new Flusher()
    const long = Buffer.alloc(300, 'x')
    const writers = [[A, B], [A, B], [C], [long, A]].map((chunks) => new Writer(flusher).push(...chunks))
    await turn()
    const frames = writers.map(({ framed }) => String(framed))
    expect(frames).to.deep.equal([
      '2\r\nab\r\n',
      '2\r\nab\r\n',
      '1\r\nc\r\n',
      `12d\r\n${'x'.repeat(300)}a\r\n`,
    ])
    expect(writers[0]?.framed[0]).to.equal(writers[1]?.framed[0])
    for (const { written, framed } of writers) expect(written[0]?.buffer).to.equal(framed[0]?.buffer)
  })

  it('shares them also among writers that take turns with others', async () => {
    const flusher = new Flusher()
    const orders = [[A, B], [A, C], [A, B], [A, C], [A]]
    const writers = orders.map((chunks) => new Writer(flusher).push(...chunks))
    await turn()
    expect(new Set(writers.map(({ written }) => written[0])).size).to.equal(3)
  })

  it('does not copy many bytes for one writer alone, and copies them once for all others', async () => {
    const flusher = new Flusher()
    const large = Buffer.alloc(MOST_JOINED)
    const alone = new Writer(flusher).push(large, A)
    const writers = [1, 2, 3].map(() => new Writer(flusher).push(large, B))
    await turn()
    expect(alone.written).to.have.ordered.members([large, A])
    expect(alone.framed).to.deep.equal([undefined, undefined])
    expect(writers[0]?.written).to.have.ordered.members([large, B])
    expect(writers[1]?.written.map(({ length }) => length)).to.deep.equal([MOST_JOINED + 1])
    expect(writers[2]?.written[0]).to.equal(writers[1]?.written[0])
  })

  it('writes what is one connection’s alone at once, joined where that is short', () => {
    const writer = new Writer(new Flusher())
    writeAlone(writer, [A, B])
    expect([writer.texts, String(writer.framed)]).to.deep.equal([['ab'], '2\r\nab\r\n'])
    const large = Buffer.alloc(MOST_JOINED + 1)
    writeAlone(writer, [large])
    expect([writer.written[1], writer.framed[1]]).to.deep.equal([large, undefined])
  })

  it('never gives one writer the chunks of another', async () => {
    const flusher = new Flusher()
    const orders = [[A, B], [A, C], [A, B], [B, A], [A, B, C], [A, B], [C]]
    const writers = orders.map((chunks) => new Writer(flusher).push(...chunks))
    await turn()
    expect(writers.map(({ texts }) => texts)).to.deep.equal(orders.map((chunks) => [chunks.join('')]))
  })

  it('compares chunks as objects: equal bytes in other buffers are joined for themselves', async () => {
    const flusher = new Flusher()
    const one = new Writer(flusher).push(A, B)
    const other = new Writer(flusher).push(Buffer.from('x'), B)
    await turn()
    expect([one.texts, other.texts]).to.deep.equal([['ab'], ['xb']])
  })

  it('leaves out who has nothing left to write', async () => {
    const flusher = new Flusher()
    const writer = new Writer(flusher).push(A)
    writer.pending = []
    await turn()
    expect(writer.texts).to.deep.equal([])
  })

  it('writes in a later turn what a write led to', async () => {
    const flusher = new Flusher()
    const second = new Writer(flusher)
    const first = new (class extends Writer {
      override write(bytes: Buffer, framed?: Buffer): void {
        super.write(bytes, framed)
        second.push(B)
      }
    })(flusher)
    first.push(A)
    await turn()
    expect([first.texts, second.texts]).to.deep.equal([['a'], []])
    await turn()
    expect(second.texts).to.deep.equal(['b'])
  })
})
