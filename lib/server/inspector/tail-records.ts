import type { TailRecord } from '../../inspector/messages.ts'
import { parseData } from '../../protocol/decode.ts'
import type { EventName, ServerEvent } from '../../protocol/messages.ts'
import { describeEvent } from '../../words/event.ts'
import { cut } from '../../words/text.ts'

/** Limits the characters of an event's data. */
const MAX_DATA = 2_000

/** The events whose data opens or continues a stream, and is never shown. */
const SEALED: readonly EventName[] = ['session', 'reached']

/**
 * Describes the events of written bytes. A write begins and ends between events or lines, so a line of an id
 * alone is no event.
 */
export function tailRecords(bytes: Buffer): TailRecord[] {
  return bytes.toString().split('\n\n').flatMap(recordOf)
}

function recordOf(block: string): TailRecord[] {
  const name = /^event: (.*)$/m.exec(block)?.[1]
  const data = /^data: (.*)$/m.exec(block)?.[1]
  if (name === undefined || data === undefined) return []
  const event = { event: name, data: parseData(name, data) } as ServerEvent
  const record = { event: name, bytes: Buffer.byteLength(block) + 2, words: describeEvent(event) }
  return [SEALED.includes(event.event) ? record : { ...record, data: cut(data, MAX_DATA) }]
}
