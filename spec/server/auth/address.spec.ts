import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import { addressOf } from '../../../lib/server/auth/address.ts'

const of = (remoteAddress: string | undefined, ip?: unknown) =>
  addressOf({ socket: { remoteAddress }, ...(ip === undefined ? {} : { ip }) } as unknown as IncomingMessage)

describe('server/auth/address', () => {
  it("is the peer's, in one form for IPv4", () => {
    expect(of('192.0.2.7')).to.equal('192.0.2.7')
    expect(of('::ffff:192.0.2.7')).to.equal('192.0.2.7')
    expect(of(undefined)).to.equal(undefined)
  })

  it('is the network of 64 bits for IPv6', () => {
    const network = '2001:db8:1:2::/64'
    for (const address of ['2001:db8:1:2::1', '2001:0DB8:0001:0002:ffff:0:0:9', '2001:db8:1:2:3:4:5:6'])
      expect(of(address), address).to.equal(network)
    expect(of('2001:db8:1:3::1')).not.to.equal(network)
    expect(of('2001:db8::1')).to.equal('2001:db8:0:0::/64')
    expect(of('::1')).to.equal('0:0:0:0::/64')
    expect(of('fe80::1%eth0')).to.equal('fe80:0:0:0::/64')
  })

  it('is what Express says, unless a proxy passed something else on', () => {
    expect(of('10.0.0.1', '192.0.2.7')).to.equal('192.0.2.7')
    for (const ip of ['', 'x'.repeat(10_000), 7, 'unknown']) expect(of('10.0.0.1', ip)).to.equal('10.0.0.1')
  })
})
