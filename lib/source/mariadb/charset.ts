/** The character sets of all of Unicode, or of its basic plane. */
const UNICODE: ReadonlySet<string> = new Set([
  ...['utf8mb4', 'utf8mb3', 'utf8', 'ucs2', 'utf16', 'utf16le', 'utf32'],
])
/**
 * The other character sets whose texts the log's reader decodes exactly, or marks by a replacement character.
 * `charset.spec.ts` compares all of their characters with the server's own conversion.
 */
const OTHERS: ReadonlySet<string> = new Set([
  ...['ascii', 'cp1250', 'cp1251', 'cp1257', 'cp850', 'cp852', 'cp932', 'euckr', 'koi8r'],
  ...['latin1', 'latin2', 'latin5', 'latin7', 'macce', 'tis620'],
])

/** Checks for a character set that has U+FFFD, so that a replacement character may be part of the text. */
export function isUnicode(charset: string): boolean {
  return UNICODE.has(charset)
}

/** Checks for a character set whose texts can be decoded exactly from the log. */
export function isDecodable(charset: string): boolean {
  return UNICODE.has(charset) || OTHERS.has(charset)
}
