/** The character sets of all of Unicode, or of its basic plane. */
const UNICODE: ReadonlySet<string> = new Set([
  ...['utf8mb4', 'utf8mb3', 'utf8', 'ucs2', 'utf16', 'utf16le', 'utf32'],
])
/**
 * The other character sets whose texts the log's decoding gets right, or marks by a replacement character.
 * `charset.spec.ts` compares all of their characters with the server's own conversion.
 */
const OTHERS: ReadonlySet<string> = new Set([
  ...['ascii', 'cp1250', 'cp1251', 'cp1257', 'cp850', 'cp852', 'cp932', 'euckr', 'koi8r'],
  ...['latin1', 'latin2', 'latin5', 'latin7', 'macce', 'tis620'],
])

/** Checks for a character set in which a replacement character may be a real one. */
export function isUnicode(charset: string): boolean {
  return UNICODE.has(charset)
}

/** Checks for a character set whose texts in the log can be told exactly. */
export function isDecodable(charset: string): boolean {
  return UNICODE.has(charset) || OTHERS.has(charset)
}
