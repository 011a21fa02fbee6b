import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/** Where a stream comes from; a client of this process has none of it. */
export interface Origin {
  request?: IncomingMessage
  /** What it is counted under: see {@link addressOf}. */
  address?: string | undefined
}

/**
 * Tells the address that a request is counted under. Behind a proxy, only Express knows which part of
 * `X-Forwarded-For` is true, by its setting `trust proxy`; elsewhere the peer of the socket counts. Of an
 * IPv6 address, the network of 64 bits counts: one user commonly has all of its addresses.
 *
 * @returns undefined where there is no address (a Unix socket)
 */
export function addressOf(request: IncomingMessage & { ip?: unknown }): string | undefined {
  const { ip, socket } = request
  // With a proxy that passes a header on as it came, Express' address may be any text.
  const found = typeof ip === 'string' && isIP(ip) !== 0 ? ip : socket?.remoteAddress
  const address = found?.replace(/^::ffff:(?=\d+\.)/i, '')
  return address !== undefined && isIP(address) === 6 ? networkOf(address) : address
}

function networkOf(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  // What `::` leaves out reaches to the end of the first four groups, unless more groups follow it.
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length)
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after]
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
