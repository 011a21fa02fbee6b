/*
 * Packs the text of a position to bytes, because numbers take two to three times their bytes as text. A
 * position of the common form (`formatPosition`) is packed to its epoch, sequence and rights, of 6 bytes
 * each, and then the fields of the stores' positions:
 *
 *    header (separator after the field: 3 bits; code: 5 bits), then the bytes of the field
 *    code 0 to 6: a decimal number of so many bytes    8 to 15: 1 to 8 bytes, in hex as text
 *    code 16 to 30: 0 to 14 letters, six bits each     31: 2 bytes of length, then a longer text
 */

const COMMON = /^([0-9a-f]{12}):([0-9a-z]{9}):([\w.~|-]*):([0-9a-f]{12})$/
const FIELD = /(\w*)([|.~-]?)/y
const SEPARATORS = ['', '|', '.', '~', '-']
const DECIMAL = /^(?:0|[1-9]\d{0,13})$/
const HEX = /^(?:[0-9a-f]{2}){1,8}$/
const [HEXADECIMAL, LETTERS, LONG] = [7, 16, 31]
const MAX_LETTERS = LONG - 1 - LETTERS
/** The bytes of the epoch, of the sequence, and of the rights. */
const PART = 6
/** The bytes of a count, whose highest bit marks the common form. */
const COUNT = 3
const MARK = 0x80_00_00

/**
 * Writes the packed text at an index of a buffer. Returns the index after the last byte. The count makes two
 * packings of one text differ.
 */
export function pack(text: string, count: number, to: Buffer, begin: number): number {
  const common = COMMON.exec(text)
  let at = to.writeUIntBE((count % MARK) + (common ? MARK : 0), begin, COUNT)
  if (!common) return at + to.write(text, at, 'latin1')
  const [, epoch = '', sequence = '', adapters = '', rights = ''] = common
  at += to.write(epoch, at, 'hex')
  at = to.writeUIntBE(Number.parseInt(sequence, 36), at, PART)
  at += to.write(rights, at, 'hex')
  for (let from = 0; ; from = FIELD.lastIndex) {
    FIELD.lastIndex = from
    const [, field = '', separator = ''] = FIELD.exec(adapters) ?? []
    const header = at++
    const [code, end] = packField(field, to, at)
    to[header] = (SEPARATORS.indexOf(separator) << 5) | code
    at = end
    if (separator === '') return at
  }
}

/** Returns the text of packed bytes, which zeros may follow. */
export function unpack(bytes: Buffer): string {
  const isCommon = bytes.readUIntBE(0, COUNT) >= MARK
  if (!isCommon) return bytes.toString('latin1', COUNT).replace(/\0+$/, '')
  const part = (number: number) => COUNT + number * PART
  const sequence = bytes.readUIntBE(part(1), PART).toString(36).padStart(9, '0')
  const rights = bytes.toString('hex', part(2), part(3))
  return `${bytes.toString('hex', part(0), part(1))}:${sequence}:${unpackFields(bytes, part(3))}:${rights}`
}

/** Writes the bytes of a field. Returns its code, and the index after its last byte. */
function packField(field: string, to: Buffer, at: number): [code: number, end: number] {
  if (DECIMAL.test(field)) {
    const length = Math.ceil(Math.log2(Number(field) + 1) / 8)
    return [length, length === 0 ? at : to.writeUIntBE(Number(field), at, length)]
  }
  if (HEX.test(field)) return [HEXADECIMAL + field.length / 2, at + to.write(field, at, 'hex')]
  if (field.length > MAX_LETTERS) {
    const from = to.writeUInt16BE(field.length, at)
    return [LONG, from + to.write(field, from, 'latin1')]
  }
  // Fills the letters up to whole groups of base64, and leaves out the bytes of the filling.
  to.write(field.padEnd(Math.ceil(field.length / 4) * 4, 'A'), at, 'base64url')
  return [LETTERS + field.length, at + bytesOf(field.length)]
}

function unpackFields(bytes: Buffer, begin: number): string {
  let text = ''
  for (let at = begin, header = 0; ; ) {
    header = bytes.readUInt8(at++)
    const code = header & 31
    const [from, length] = code === LONG ? [at + 2, bytes.readUInt16BE(at)] : [at, lengthOf(code)]
    at = from + length
    if (code === LONG) text += bytes.toString('latin1', from, at)
    else if (code >= LETTERS) text += bytes.toString('base64url', from, at).slice(0, code - LETTERS)
    else if (code > HEXADECIMAL) text += bytes.toString('hex', from, at)
    else text += length === 0 ? '0' : bytes.readUIntBE(from, length)
    const separator = SEPARATORS[header >> 5] ?? ''
    if (separator === '') return text
    text += separator
  }
}

function lengthOf(code: number): number {
  if (code >= LETTERS) return bytesOf(code - LETTERS)
  return code > HEXADECIMAL ? code - HEXADECIMAL : code
}

/** Returns the bytes of a number of letters. */
function bytesOf(letters: number): number {
  return Math.ceil((letters * 6) / 8)
}
