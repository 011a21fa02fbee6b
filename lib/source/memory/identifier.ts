const COUNTER_LIMIT = 0x1000000

const process = random(5)
let counter = Number.parseInt(random(3), 16)

/** Returns random bytes as lower-case hex. */
export function random(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')
}

/**
 * Creates an identifier in the form of an ObjectId: 24 lower-case hex digits. The first eight digits are the
 * time in seconds, so that ids sort roughly by age, as MongoDB's do.
 */
export function createId(now = Date.now()): string {
  counter = (counter + 1) % COUNTER_LIMIT
  const seconds = Math.floor(now / 1000)
  return seconds.toString(16).padStart(8, '0') + process + counter.toString(16).padStart(6, '0')
}
