import { execFileSync } from 'node:child_process'

/** A network of this machine's own, with nothing in it but a loopback interface, so that its settings are nobody else's. */
export class Namespace {
  readonly #name: string

  /** @param settings of `sysctl`, by their names */
  constructor(settings: Record<string, string>) {
    this.#name = `particle-bench-${process.pid}`
    execFileSync('ip', ['netns', 'add', this.#name], { stdio: 'pipe' })
    try {
      execFileSync('ip', ['-n', this.#name, 'link', 'set', 'lo', 'up'], { stdio: 'pipe' })
      for (const [name, value] of Object.entries(settings)) this.#run(['sysctl', '-qw', `${name}=${value}`])
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** What a command begins with that is to run in it. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.#name]
  }

  remove(): void {
    execFileSync('ip', ['netns', 'delete', this.#name], { stdio: 'pipe' })
  }

  #run(command: readonly string[]): void {
    const [program = '', ...args] = [...this.prefix, ...command]
    execFileSync(program, args, { stdio: 'pipe' })
  }

  /** Why none can be made here; undefined where one can. */
  static unavailable(): string | undefined {
    try {
      new Namespace({}).remove()
      return undefined
    } catch (error) {
      return `no network namespace can be made (it takes root and iproute2): ${error instanceof Error ? error.message.split('\n')[0] : error}`
    }
  }
}
