// Looks at the wire, and unplugs it.

const EVENTS = ['manifest', 'payload', 'delta', 'ready', 'reset', 'revoked', 'error', 'session', 'ping']

/** Gives a client its `EventSource` and `fetch`, reports every named event that comes in, and can play a lost network. */
export class Wire {
  plugged = true
  #source

  constructor(report) {
    const wire = this

    this.EventSource = class extends EventSource {
      constructor(url, options) {
        super(url, options)
        wire.#source = this
        for (const name of EVENTS) {
          this.addEventListener(name, ({ data }) => {
            if (typeof data === 'string') report(name, data)
          })
        }
        if (!wire.plugged) queueMicrotask(() => wire.#cut())
      }
    }

    this.fetch = (...request) =>
      wire.plugged ? fetch(...request) : Promise.reject(new TypeError('The network is unplugged.'))
  }

  /** Pulls the plug, or puts it back. */
  toggle() {
    this.plugged = !this.plugged
    if (this.plugged) dispatchEvent(new Event('online'))
    else this.#cut()
  }

  #cut() {
    this.#source?.close()
    this.#source?.dispatchEvent(new Event('error'))
  }
}
