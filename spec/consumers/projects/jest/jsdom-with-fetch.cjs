const { TestEnvironment } = require('jest-environment-jsdom')

const NAMES = [
  'AbortController',
  'AbortSignal',
  'fetch',
  'Headers',
  'ReadableStream',
  'Request',
  'Response',
  'TextDecoder',
]

module.exports = class extends TestEnvironment {
  constructor(...args) {
    super(...args)
    for (const name of NAMES) this.global[name] = globalThis[name]
  }
}
