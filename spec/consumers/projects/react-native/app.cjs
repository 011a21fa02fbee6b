// Stands for the globals of React Native as they differ from a browser's: a URL that can't be changed, a fetch that gives
// nothing before all is there, and neither a page nor an EventSource.
const { EventSource } = require('eventsource')
const { fetch: browserFetch, URL: BrowserUrl } = globalThis

class NativeUrl {
  #url
  constructor(url, base) {
    this.#url = base === undefined ? String(url) : new BrowserUrl(url, base).href
    if (!this.#url.endsWith('/')) this.#url += '/'
  }
  get href() {
    return this.#url
  }
  get pathname() {
    return new BrowserUrl(this.#url).pathname
  }
  set pathname(_) {
    throw new TypeError('Cannot assign to property "pathname" which has only a getter')
  }
  get searchParams() {
    return new NativeSearchParams()
  }
  toString() {
    return this.#url
  }
}

class NativeSearchParams {
  append() {}
  set() {
    throw new Error('URLSearchParams.set is not implemented')
  }
}

class NativeResponse {
  #response
  constructor(response) {
    this.#response = response
  }
  get ok() {
    return this.#response.ok
  }
  get status() {
    return this.#response.status
  }
  get url() {
    return this.#response.url
  }
  get headers() {
    return this.#response.headers
  }
  json() {
    return this.#response.json()
  }
}

class PolyfilledEventSource extends EventSource {
  constructor(url, options) {
    super(url, { ...options, fetch: browserFetch })
  }
}

/** Runs with the globals of React Native, save for what the stand-in of the network needs itself. */
const natives = { URLSearchParams: NativeSearchParams, Response: NativeResponse, structuredClone: undefined }
Object.assign(globalThis, natives, {
  fetch: async (...args) => new NativeResponse(await browserFetch(...args)),
})

const { Client } = require('particle/client')
globalThis.URL = NativeUrl
const client = new Client({
  url: process.env.PARTICLE_URL,
  EventSource: PolyfilledEventSource,
  onError: console.error,
})
globalThis.URL = BrowserUrl
client.on('users', (users) => {
  if (users[0].name !== 'Eva') return
  console.log(JSON.stringify(client.data))
  client.close()
})
client.ready().then(() => console.log('ready'))
