import { expect } from 'chai'
import { ChunkList, MAX_JOINED_BYTES } from '../../../lib/server/delivery/chunk-list.ts'

const [A, B, C] = [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]

/** What is written of a list. */
function written(list: ChunkList, wantsChunks = false): [bytes: Buffer, framed: Buffer | undefined][] {
  const calls: [Buffer, Buffer | undefined][] = []
  list.writeTo({ write: (bytes, framed) => calls.push([bytes, framed]) > 0, wantsChunks })
  return calls
}

describe('server/gathered', () => {
  const gather = (empty: ChunkList, ...chunks: Buffer[]) =>
    chunks.reduce((list, chunk) => list.plus(chunk), empty)

  it('knows its chunks in order, its last one, and how many bytes they have', () => {
    const empty = ChunkList.begin()
    const list = gather(empty, A, B, Buffer.from('cde'))
    expect(list.chunks.map(String)).to.deep.equal(['a', 'b', 'cde'])
    expect([String(list.last), list.size, list.before.size]).to.deep.equal(['cde', 5, 2])
    expect([empty.chunks, empty.size, empty.before]).to.deep.equal([[], 0, empty])
  })

  it('is the same list for all who gather the same chunks, in whatever order they come', () => {
    const empty = ChunkList.begin()
    const orders = [[A, B], [A, C], [A, B], [B, A], [A, C], [A, B, C], [A, B], [C]]
    const lists = orders.map((chunks) => gather(empty, ...chunks))
    const texts = orders.map((chunks) => chunks.join(''))
    expect(lists.map((list) => list.chunks.join(''))).to.deep.equal(texts)
    for (const [index, list] of lists.entries())
      expect(lists.indexOf(list)).to.equal(texts.indexOf(texts[index] ?? ''))
  })

  it('compares chunks as objects: equal bytes in other buffers make another list', () => {
    const empty = ChunkList.begin()
    expect(gather(empty, A)).not.to.equal(gather(empty, Buffer.from('a')))
    expect(gather(empty, A)).not.to.equal(gather(ChunkList.begin(), A))
  })

  it('is joined once, and framed once as a chunk of HTTP in the same memory', () => {
    const list = gather(ChunkList.begin(), A, Buffer.alloc(300, 'x'), B)
    const [[bytes, framed] = []] = written(list)
    expect(String(bytes)).to.equal(`a${'x'.repeat(300)}b`)
    expect(String(framed)).to.equal(`12e\r\na${'x'.repeat(300)}b\r\n`)
    expect(bytes?.buffer).to.equal(framed?.buffer)
    expect(written(list)).to.have.length(1)
    expect(written(list)[0]?.[1]).to.equal(framed)
  })

  it('of large chunks is not copied for who asks first, and joined once for all others', () => {
    const large = Buffer.alloc(MAX_JOINED_BYTES * 2)
    const list = gather(ChunkList.begin(), large, A)
    const first = written(list)
    expect(first.map(([, framed]) => framed)).to.deep.equal([undefined, undefined])
    expect([first[0]?.[0] === large, first[1]?.[0] === A]).to.deep.equal([true, true])
    const [[second] = []] = written(list)
    expect(second?.length).to.equal(MAX_JOINED_BYTES * 2 + 1)
    expect(written(list)[0]?.[0]).to.equal(second)
    const many = gather(ChunkList.begin(), ...Array.from({ length: 5 }, () => Buffer.alloc(MAX_JOINED_BYTES)))
    expect(written(many).map(([bytes]) => bytes.length)).to.deep.equal([MAX_JOINED_BYTES * 5])
  })

  it('is written chunk by chunk to a sink that keeps what it makes of each, also where others got it joined', () => {
    const list = gather(ChunkList.begin(), A, B)
    expect(written(list).map(([bytes]) => String(bytes))).to.deep.equal(['ab'])
    const chunks = written(list, true)
    expect(chunks.map(([bytes]) => bytes === A || bytes === B)).to.deep.equal([true, true])
    expect(written(list)).to.have.length(1)
  })
})
