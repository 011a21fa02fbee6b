import { parseData } from '../../lib/protocol/decode.ts'
import type { EventData } from '../../lib/protocol/messages.ts'

/** Returns the data of an encoded delta, expanded. */
export function deltaIn(event: Buffer): EventData['delta'] {
  return parseData(
    'delta',
    /^data: (.*)$/m.exec(event.toString())?.[1] ?? '',
  ) as unknown as EventData['delta']
}
