import { OPERATIONS } from '../model/operation.ts'
import { type EventName, PROTOCOL } from './messages.ts'

/** Describes a JSON Schema. */
export type Schema = { readonly [keyword: string]: unknown }

const DRAFT = 'http://json-schema.org/draft-07/schema#'
const text: Schema = { type: 'string' }
const name: Schema = {
  type: 'string',
  minLength: 1,
  not: { enum: ['__proto__', 'constructor', 'prototype'] },
}
const time: Schema = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$',
}
const protocol: Schema = { const: PROTOCOL }
const manifest: Schema = {
  anyOf: [{ const: true }, { type: 'object', additionalProperties: { $ref: '#/definitions/manifest' } }],
}
const sources: Schema = {
  type: 'object',
  propertyNames: name,
  additionalProperties: { $ref: '#/definitions/manifest' },
}
const together: Schema = { type: 'array', items: { type: 'array', items: name, minItems: 2 } }
const watchEntry: Schema = {
  anyOf: [
    name,
    {
      type: 'object',
      required: ['root', 'limit'],
      properties: { root: name, limit: { type: 'integer', minimum: 1 } },
    },
  ],
}
/** The operation, the id, the path, the data, and the index of the document. */
const operation: Schema = {
  type: 'array',
  items: [{ enum: OPERATIONS }, {}, { type: 'string', minLength: 1 }, {}, { type: 'integer', minimum: 0 }],
  minItems: 3,
  additionalItems: true,
}

/**
 * Builds the schema of an object with these fields. Other fields are allowed, so that the protocol can grow.
 */
function message(
  title: string,
  required: Record<string, Schema>,
  optional: Record<string, Schema> = {},
): Schema {
  return {
    $schema: DRAFT,
    title,
    type: 'object',
    required: Object.keys(required),
    properties: { ...required, ...optional },
  }
}

/** Lists the JSON Schemas (draft-07) of each event's data, by the event's name. */
export const eventSchemas: Readonly<Record<EventName, Schema>> = {
  manifest: {
    ...message(
      'manifest',
      {
        protocol,
        timestamp: time,
        resumed: { type: 'boolean' },
        sources,
      },
      { reason: text, together },
    ),
    definitions: { manifest },
  },
  watching: {
    ...message('watching', { watch: { type: 'array', items: watchEntry }, sources }, { together }),
    definitions: { manifest },
  },
  payload: message('payload', {
    root: name,
    timestamp: time,
    data: { type: 'array', items: { type: 'object', required: ['_id'] } },
    part: { type: 'integer', minimum: 0 },
    last: { type: 'boolean' },
  }),
  delta: {
    $schema: DRAFT,
    title: 'delta',
    type: 'array',
    items: [name],
    minItems: 1,
    additionalItems: {
      anyOf: [operation, { type: 'object', properties: { timestamp: time, more: { const: true } } }],
    },
  },
  ready: message('ready', { timestamp: time }),
  reset: message('reset', { root: name, reason: text }),
  revoked: message('revoked', { reason: text }),
  error: message('error', { code: text, message: text }, { root: name }),
  session: message('session', { token: text, expiresAt: time }),
  renew: message('renew', { reason: text, within: { type: 'integer', minimum: 0 } }),
  reached: message('reached', { position: text }),
  ping: message('ping', { timestamp: time }),
}

/** Describes a handshake's body as a JSON Schema (draft-07). */
export const handshakeRequestSchema: Schema = message(
  'handshake request',
  { identity: {} },
  { previous: text, fork: { type: 'boolean' } },
)

/** Describes the answer to a handshake as a JSON Schema (draft-07). */
export const handshakeAnswerSchema: Schema = message('handshake answer', {
  token: text,
  session: text,
  stream: { type: 'string', pattern: '^/' },
  expiresAt: time,
  protocol,
  heartbeat: { type: 'integer', minimum: 1 },
})

/** Describes the body of every error answer as a JSON Schema (draft-07). */
export const errorAnswerSchema: Schema = message('error answer', {
  error: {
    type: 'object',
    required: ['code', 'message'],
    properties: { code: text, message: text, token: text },
  },
})
