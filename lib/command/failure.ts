const CONNECT_HINT = 'Name the database by --url, POSTGRES_URL, DATABASE_URL, or PGHOST and so on'

/**
 * Describes an error in a sentence for the command's user. Hides the stack and the URL, which may hold a
 * password.
 */
export function failureOf(error: unknown): string {
  // Takes the first error of a host with several addresses.
  const one: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  const { code, message } = (typeof one === 'object' && one !== null ? one : {}) as {
    code?: unknown
    message?: unknown
  }
  const sentence = typeof message === 'string' && message !== '' ? message : String(one)
  if (code === 'ERR_MODULE_NOT_FOUND' && /'pg'/.test(sentence))
    return 'the package pg is not installed: npm install pg'
  if (isOfConnection(code, sentence)) return `can't connect to PostgreSQL: ${sentence}. ${CONNECT_HINT}`
  // Names both needed rights: triggers need the tables' owner, the outbox needs CREATE on the database.
  if (code === '42501')
    return `${sentence}: run it as the tables' owner, with the right to CREATE in the database`
  return sentence
}

/** Recognizes refused and unreachable hosts, and a role, password or database that the server rejects. */
function isOfConnection(code: unknown, message: string): boolean {
  if (typeof code === 'string') return /^(?:E[A-Z]+|08\w{3}|28\w{3}|3D000|ERR_INVALID_URL)$/.test(code)
  return /timeout|Connection terminated|SASL|does not support SSL/i.test(message)
}
