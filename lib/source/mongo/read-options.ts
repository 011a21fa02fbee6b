/**
 * Reads values without loss and by their classes, whatever the client's own options are. A text that is not
 * UTF-8, which some drivers write, must not end the stream.
 */
export const READ_OPTIONS = {
  promoteLongs: true,
  promoteValues: true,
  promoteBuffers: false,
  useBigInt64: false,
  bsonRegExp: true,
  enableUtf8Validation: false,
  raw: false,
} as const
