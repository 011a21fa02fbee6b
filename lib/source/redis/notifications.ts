import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import { pause } from '../backoff.ts'
import type { Connection } from './client.ts'

/**
 * The event classes of all changes: generic, strings, hashes, expired, evicted (`A` includes them), by key
 * (`K`). Includes lists, sets and sorted sets: a command that stores one in place of a document (`SORT ...
 * STORE`) sends no other notification.
 */
const NEEDED = 'Kg$lshzxe'
const SETTING = 'notify-keyspace-events'
const PROBE_MS = 2000

/**
 * Enables notifications of changed keys, unless they are on already. If the server hides its settings,
 * changes a probe key and waits for its notifications.
 *
 * @throws ParticleError `SOURCE_FAILED`, with a sentence that says what to set
 */
export async function enableNotifications(
  commands: Connection,
  subscriber: Connection,
  channel: string,
  signal: AbortSignal,
): Promise<void> {
  const flags = await settingOf(commands)
  if (flags === undefined) {
    if (await answersProbe(commands, subscriber, channel, signal)) return
    throw disabled(new Error('CONFIG GET is refused, and a changed key was not notified'))
  }
  const missing = missingIn(flags)
  if (missing === '') return
  try {
    await commands.send(['CONFIG', 'SET', SETTING, flags + missing])
  } catch (error) {
    if (!isRefusal(error)) throw error
    throw disabled(error)
  }
}

/**
 * Checks that the server still sends notifications of changed keys: an administrator may have turned them
 * off.
 */
export async function notifies(
  commands: Connection,
  subscriber: Connection,
  channel: string,
  signal: AbortSignal,
): Promise<boolean> {
  const flags = await settingOf(commands)
  return flags === undefined
    ? await answersProbe(commands, subscriber, channel, signal)
    : missingIn(flags) === ''
}

function missingIn(flags: string): string {
  const isMissing = (flag: string) => !flags.includes(flag) && !(flag !== 'K' && flags.includes('A'))
  return [...NEEDED].filter(isMissing).join('')
}

async function settingOf(commands: Connection): Promise<string | undefined> {
  try {
    const reply = await commands.send(['CONFIG', 'GET', SETTING])
    const list: unknown[] = Array.isArray(reply) ? reply : Object.entries(reply as object).flat()
    return String(list[1] ?? '')
  } catch (error) {
    if (!isRefusal(error)) throw error
    return undefined
  }
}

async function answersProbe(
  commands: Connection,
  subscriber: Connection,
  channel: string,
  signal: AbortSignal,
): Promise<boolean> {
  const key = `particle:probe:${randomBytes(6).toString('hex')}`
  const told = new Set<string>()
  let answer: () => void = () => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  await subscriber.client.subscribe(channel + key, (event) => {
    told.add(event)
    if (['hset', 'set', 'del'].every((name) => told.has(name))) answer()
  })
  try {
    await commands.send(['HSET', key, 'a', '1'])
    await commands.send(['SET', key, 'a', 'PX', String(PROBE_MS * 2)])
    await commands.send(['DEL', key])
    return await Promise.race([answered.then(() => true), pause(PROBE_MS, signal).then(() => false)])
  } finally {
    await subscriber.client.unsubscribe(channel + key)
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(?:NOPERM|ERR)/.test(error.message)
}

function disabled(cause: unknown): ParticleError {
  return new ParticleError(
    'SOURCE_FAILED',
    `Redis sends no notifications of changed keys, and does not allow Particle to enable them: set ` +
      `${SETTING} to KA (in redis.conf, by CONFIG SET, or in the settings of your provider), or let the ` +
      'application append its changes to a stream: redis(client, { stream })',
    { cause },
  )
}
