/** Writes the bytes of a UUID as MariaDB does. */
export function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Writes the bytes of an INET4 as MariaDB does. */
export function formatInet4(bytes: Buffer): string {
  return bytes.join('.')
}

/**
 * Writes the bytes of an INET6 as MariaDB does: without leading zeros, with `::` for the longest run of zeros
 * (also for a single group, unlike RFC 5952), and with a dotted end for an IPv4 address.
 */
export function formatInet6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2))
  const run = longestRun(groups)
  const isMapped = run.start === 0 && run.length === 5 && groups[5] === 0xffff
  const isCompatible = run.start === 0 && run.length === 6
  const dotted = isMapped || isCompatible
  const texts = groups.slice(0, dotted ? 6 : 8).map((group) => group.toString(16))
  if (dotted) texts.push(formatInet4(bytes.subarray(12)))
  if (run.length === 0) return texts.join(':')
  const head = texts.slice(0, run.start).join(':')
  return `${head}::${texts.slice(run.start + run.length).join(':')}`
}

/** Finds the longest run of zeros; the first run of several with the same length. */
function longestRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start }
  }
  return longest
}
