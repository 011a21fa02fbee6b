/**
 * The distance of a wider bound. JavaScript reads a day after the month's end, such as `02-31`, as a day of
 * the next month.
 */
const SLACK_MS = 4 * 86_400_000
const DATE = /^\d{4}-\d\d-\d\d$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:\d{3})?(Z?)$/
/** Matches the dates and times that PostgreSQL writes in another form. */
const ODD = /^-?infinity$|^\d{5,}-| BC$/
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?Z?)?)?)?$/

/**
 * Writes a time in ISO 8601: to the millisecond, or to the microsecond if the time needs it.
 *
 * @param digits the digits of the second's fraction, up to 6
 * @param zone `Z` for a time in UTC, or an empty text for a time without a zone
 */
export function toIso(date: string, time: string, digits: string, zone: '' | 'Z'): string {
  const fraction = digits.padEnd(6, '0')
  return `${date}T${time}.${fraction.endsWith('000') ? fraction.slice(0, 3) : fraction}${zone}`
}

/** Checks for the JSON form of a real date after the year 0. */
export function isPlainDate(value: unknown): value is string {
  return typeof value === 'string' && DATE.test(value) && exists(`${value}T00:00:00.000Z`)
}

/** Checks for the only JSON form of a real time after the year 0, as {@link toIso} writes it. */
export function isPlainTime(value: unknown, zone: '' | 'Z'): value is string {
  const match = typeof value === 'string' ? TIME.exec(value) : null
  if (!match || match[1] !== zone) return false
  // Refuses three zeros for the microseconds, because no JSON form has them.
  return exists(`${match[0].slice(0, 23)}Z`) && !/\.\d{3}000Z?$/.test(match[0])
}

/** Checks for the JSON form of any date, also of one that JavaScript can't parse. */
export function isDateForm(text: string): boolean {
  return DATE.test(text) || ODD.test(text)
}

/** Checks for the JSON form of any time, also of one that JavaScript can't parse, as in the year 0. */
export function isTimeForm(text: string, zone: '' | 'Z'): boolean {
  return TIME.exec(text)?.[1] === zone || ODD.test(text)
}

/** Checks for a date or a time, or the beginning of one, so that the order of texts is that of dates. */
export function isDateBound(text: string): boolean {
  return DATE_LIKE.test(text) || ODD.test(text)
}

function exists(iso: string): boolean {
  const date = new Date(iso)
  return !Number.isNaN(date.getTime()) && date.toISOString() === iso && date.getUTCFullYear() > 0
}

/**
 * Widens a bound for dates and times by some days, in ISO 8601, because texts and times differ in order near
 * the bound. Returns `undefined` for a text that is no date, and for a result outside the years 1 to 9999.
 */
export function widerBound(operator: string, bound: string): string | undefined {
  if (!DATE_LIKE.test(bound)) return undefined
  const time = Date.parse(bound.includes('T') && !bound.endsWith('Z') ? `${bound}Z` : bound)
  if (Number.isNaN(time)) return undefined
  const wider = new Date(time + (operator.startsWith('>') ? -SLACK_MS : SLACK_MS))
  const year = wider.getUTCFullYear()
  return year < 1 || year > 9999 ? undefined : wider.toISOString()
}
