/** Describes the parts of an event's header that the package `zongji` does not return. */
export interface Header {
  /** The time of the event, in seconds since 1970. */
  readonly timestamp: number
  /** The code of the event's type. */
  readonly type: number
  /** The offset after the event, modulo 4 GiB. 0 for an event that the log files lack (an artificial one). */
  readonly next: number
}

/** The bytes of a header, after the packet's first byte. */
const HEADER = 19
const FILE_NAME = /^(.*)\.(\d{6,})$/s

/** Reads the header of a packet's event; `undefined` for a packet without an event. */
export function headerOf(body: Buffer): Header | undefined {
  if (body[0] !== 0 || body.length < 1 + HEADER) return undefined
  return { timestamp: body.readUInt32LE(1), type: body[5] ?? 0, next: body.readUInt32LE(14) }
}

/**
 * Reads the name of the next file, and the offset in that file, from a rotate event. Some rotate events have
 * a checksum of four bytes after the name, independently of the other events.
 *
 * @param present the name of the present file
 */
export function nextFileOf(body: Buffer, present: string): { name: string; at: number } {
  const at = Number(body.readBigUInt64LE(1 + HEADER))
  const bytes = body.subarray(1 + HEADER + 8)
  const texts = [bytes, bytes.subarray(0, -4)].map((part) => part.toString('latin1'))
  const base = Buffer.from(splitFileName(present).base).toString('latin1')
  const match = texts.map((text) => FILE_NAME.exec(text)).find((found) => found?.[1] === base)
  if (!match) throw new Error(`The next log file has another base name than ${present}`)
  return { name: Buffer.from(match[0], 'latin1').toString(), at }
}

/** Splits the name of a log file: `binlog.000012`. */
export function splitFileName(name: string): { base: string; file: number } {
  const [, base, number] = FILE_NAME.exec(name) ?? []
  if (base === undefined) throw new Error(`Not the name of a log file: ${name}`)
  return { base, file: Number(number) }
}

/** Joins the name of a log file. */
export function joinFileName(base: string, file: number): string {
  return `${base}.${String(file).padStart(6, '0')}`
}
