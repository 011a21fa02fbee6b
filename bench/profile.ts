import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

/** A CPU profile, which is written where `BENCH_PROFILE` names a folder. */
export class Profile {
  readonly #session = new Session()
  readonly #file: string

  private constructor(file: string) {
    this.#file = file
    this.#session.connect()
  }

  static async start(name: string): Promise<Profile | undefined> {
    const folder = process.env.BENCH_PROFILE
    if (!folder) return undefined
    const profile = new Profile(`${folder}/${name}.${Date.now()}.cpuprofile`)
    await profile.#session.post('Profiler.enable')
    await profile.#session.post('Profiler.start')
    return profile
  }

  async stop(): Promise<void> {
    const { profile } = await this.#session.post('Profiler.stop')
    writeFileSync(this.#file, JSON.stringify(profile))
    this.#session.disconnect()
  }
}
