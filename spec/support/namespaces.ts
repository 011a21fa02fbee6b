import { execFileSync } from 'node:child_process'

/** Two machines' networks of this machine's own, `server` and `client`, with a cable between them. */
export class Namespaces {
  readonly hosts = { server: '10.77.0.1', client: '10.77.0.2' }
  readonly #names = { server: `particle-s${process.pid}`, client: `particle-c${process.pid}` }

  constructor() {
    const { server, client } = this.#names
    try {
      for (const name of [server, client]) ip('netns', 'add', name)
      ip('-n', server, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', client)
      for (const side of ['server', 'client'] as const) {
        ip('-n', this.#names[side], 'address', 'add', `${this.hosts[side]}/24`, 'dev', 'cable')
        ip('-n', this.#names[side], 'link', 'set', 'cable', 'up')
      }
      // A neighbour that is known for good: the server's system is not to notice by other means that nobody is there.
      const [, address = ''] = /link\/ether (\S+)/.exec(ip('-n', client, 'link', 'show', 'cable')) ?? []
      ip(
        '-n',
        server,
        'neigh',
        'replace',
        this.hosts.client,
        'lladdr',
        address,
        'dev',
        'cable',
        'nud',
        'permanent',
      )
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** The command and its arguments, to be run in one of them. */
  within(side: 'server' | 'client', ...command: string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.#names[side], ...command]]
  }

  /** The client's machine goes from the network without a word. */
  cut(): void {
    ip('-n', this.#names.client, 'address', 'flush', 'dev', 'cable')
  }

  remove(): void {
    for (const name of Object.values(this.#names)) {
      try {
        ip('netns', 'delete', name)
      } catch {
        // It was not made.
      }
    }
  }

  /** Why none can be made here; undefined where they can. */
  static unavailable(): string | undefined {
    try {
      new Namespaces().remove()
      return undefined
    } catch (error) {
      return `no network namespaces can be made here (it takes root and iproute2): ${error}`
    }
  }
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
}
