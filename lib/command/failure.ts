/**
 * What failed, in a sentence for who runs a command; never a stack, nor the URL, which may hold a password.
 */
export function failureOf(error: unknown): string {
  // Of a host with several addresses.
  const one: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  const { code, message } = (typeof one === 'object' && one !== null ? one : {}) as {
    code?: unknown
    message?: unknown
  }
  const what = typeof message === 'string' && message !== '' ? message : String(one)
  if (code === 'ERR_MODULE_NOT_FOUND' && /'pg'/.test(what))
    return 'the package pg is not installed: npm install pg'
  if (isOfConnection(code, what))
    return `can't connect to PostgreSQL: ${what}. Say where it is by --url, POSTGRES_URL, DATABASE_URL, or PGHOST and so on`
  // Whoever owns the table may make triggers, and whoever may create schemas the outbox.
  if (code === '42501')
    return `${what}: run it as the tables' owner, with the right to CREATE in the database`
  return what
}

/** Refused and unreachable hosts; a role, a password or a database that the server does not take. */
function isOfConnection(code: unknown, message: string): boolean {
  if (typeof code === 'string') return /^(?:E[A-Z]+|08\w{3}|28\w{3}|3D000|ERR_INVALID_URL)$/.test(code)
  return /timeout|Connection terminated|SASL|does not support SSL/i.test(message)
}
