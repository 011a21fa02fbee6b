import { expect } from 'chai'
import { type Flushable, Flusher } from '../../lib/server/flusher.ts'

class Writer implements Flushable {
  pending: Buffer[] = []
  readonly written: Buffer[] = []
  readonly #flusher: Flusher

  constructor(flusher: Flusher) {
    this.#flusher = flusher
  }

  push(...chunks: Buffer[]): this {
    for (const chunk of chunks) if (this.pending.push(chunk) === 1) this.#flusher.add(this)
    return this
  }

  write(bytes: Buffer): void {
    this.written.push(bytes)
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

  it('does not copy a single chunk', async () => {
    const writer = new Writer(new Flusher()).push(A)
    await turn()
    expect(writer.written[0]).to.equal(A)
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
      override write(bytes: Buffer): void {
        super.write(bytes)
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
