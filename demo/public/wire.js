// Looks at the wire, and unplugs it.

/** Reads the data of a delta: a list of its root, its operations, and an object with what few deltas have. */
export function deltaOf(data) {
  const [root, ...rest] = JSON.parse(data)
  const oplist = rest
    .filter(Array.isArray)
    .map(([operation, id, path, value]) => ({ operation, id, path, data: value }))
  return { root, oplist }
}

/** Gives a client its `fetch`, reports every event that comes in, and can play a lost network. */
export class Wire {
  plugged = true
  /** Counts the bytes of all streams. */
  bytes = 0
  /** Says whether this window has had a stream of its own. */
  isOpen = false
  /** Names the node that serves the stream, where there are several. */
  node = ''
  #report
  #onReady
  #unplug = () => {}

  /** `onReady({ isResumed, bytes })` gets the bytes of each stream from its start until the model is complete. */
  constructor(report, onReady) {
    this.#report = report
    this.#onReady = onReady
    this.fetch = async (address, init) => {
      if (!this.plugged) throw new TypeError('The network is unplugged.')
      const response = await fetch(address, init)
      return String(address).endsWith('/stream') && response.ok ? this.#watch(response) : response
    }
  }

  /** Pulls the plug, or puts it back. */
  toggle() {
    this.plugged = !this.plugged
    if (this.plugged) dispatchEvent(new Event('online'))
    else this.#unplug()
  }

  /** The same answer, read by the way. */
  #watch(response) {
    this.isOpen = true
    this.node = response.headers.get('X-Node') ?? ''
    let rest = ''
    let bytesRead = 0
    let isResumed = false
    const text = new TextDecoder()
    const reading = new TransformStream({
      start: (controller) => {
        this.#unplug = () => controller.error(new TypeError('The network is unplugged.'))
      },
      transform: (bytes, controller) => {
        bytesRead += bytes.length
        this.bytes += bytes.length
        const blocks = (rest + text.decode(bytes, { stream: true })).split('\n\n')
        rest = blocks.pop()
        for (const block of blocks) {
          const { event, data } = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s)))
          if (event === 'manifest') isResumed = JSON.parse(data).resumed
          if (event === 'ready') this.#onReady({ isResumed, bytes: bytesRead })
          if (data) this.#report(event, data)
        }
        controller.enqueue(bytes)
      },
    })
    return new Response(response.body.pipeThrough(reading), response)
  }
}
