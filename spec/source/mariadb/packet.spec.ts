import { expect } from 'chai'
import { LogReader } from '../../../lib/source/mariadb/log-event.ts'
import { headerOf, joinFileName, nextFileOf, splitFileName } from '../../../lib/source/mariadb/packet.ts'

/** Makes a packet's event, of 19 bytes of header and a body. */
function packet(type: number, next: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt32LE(1_795_967_687, 1)
  header[5] = type
  header.writeUInt32LE(next, 14)
  return Buffer.concat([header, body])
}

function rotation(name: string, checksum = Buffer.alloc(0)): Buffer {
  const at = Buffer.alloc(8)
  at.writeBigUInt64LE(4n)
  return packet(4, 0, Buffer.concat([at, Buffer.from(name), checksum]))
}

describe('source/mariadb/packet', () => {
  it('reads the header of an event, and takes another packet for none', () => {
    expect(headerOf(packet(15, 256))).to.deep.equal({ timestamp: 1_795_967_687, type: 15, next: 256 })
    expect(headerOf(Buffer.from([0xff, ...packet(15, 256).subarray(1)]))).to.equal(undefined)
    expect(headerOf(Buffer.from([0, 0, 0, 2, 0, 0, 0]))).to.equal(undefined)
  })

  it('reads the name of the next file with and without a checksum after it', () => {
    for (const checksum of [Buffer.alloc(0), Buffer.from([1, 2, 3, 0xff]), Buffer.from('abcd')])
      for (const name of ['binlog.000002', 'binlog.1000000'])
        expect(nextFileOf(rotation(name, checksum), 'binlog.000001')).to.deep.equal({ name, at: 4 })
    expect(nextFileOf(rotation('größe.000002'), 'größe.000001').name).to.equal('größe.000002')
    expect(() => nextFileOf(rotation('other.000002'), 'binlog.000001')).to.throw('another base name')
  })

  it('splits and joins the names of files, past a million of them', () => {
    expect(splitFileName('my.log.000012')).to.deep.equal({ base: 'my.log', file: 12 })
    expect(joinFileName('my.log', 12)).to.equal('my.log.000012')
    expect(joinFileName('log', 1_234_567)).to.equal('log.1234567')
    expect(() => splitFileName('binlog')).to.throw('Not the name')
  })

  it('counts offsets past 4 GiB, which an event’s 32 bits can’t hold', () => {
    const reader = new LogReader(2 ** 32 - 100)
    const read = (next: number) => {
      reader.next({ timestamp: 0, type: 2, next })
      return reader.at
    }
    expect(read(2 ** 32 - 50)).to.equal(2 ** 32 - 50)
    expect(read(0)).to.equal(2 ** 32 - 50)
    expect(read(60)).to.equal(2 ** 32 + 60)
    expect(read(60)).to.equal(2 ** 32 + 60)
    expect(read(700)).to.equal(2 ** 32 + 700)
    expect(read(20)).to.equal(2 * 2 ** 32 + 20)
  })
})
