import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/** Describes the origin of a stream. A client of this process has neither field. */
export interface Origin {
  request?: IncomingMessage
  /** The address that the stream is counted under: see {@link addressOf}. */
  address?: string | undefined
}

/**
 * Returns the address that a request is counted under. Behind a proxy, only Express knows which part of
 * `X-Forwarded-For` is true, by its setting `trust proxy`. Without Express, the socket's peer counts. For
 * IPv6 the network of 64 bits counts, since one user commonly owns all of its addresses.
 *
 * @returns undefined when there is no address (a Unix socket)
 */
export function addressOf(request: IncomingMessage & { ip?: unknown }): string | undefined {
  const { ip, socket } = request
  // Checks the text of Express' address. A proxy may pass on any header that its client sent.
  const found = typeof ip === 'string' && isIP(ip) !== 0 ? ip : socket?.remoteAddress
  const address = found?.replace(/^::ffff:(?=\d+\.)/i, '')
  return address !== undefined && isIP(address) === 6 ? networkOf(address) : address
}

function networkOf(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  // Fills the groups that `::` leaves out with zeros.
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length)
  const all = [...groups, ...Array.from({ length: zeros }, () => '0'), ...after]
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}
