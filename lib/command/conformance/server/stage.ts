import { type Case, Skip } from '../case.ts'
import type { Stage } from '../runner.ts'
import { EVENTS } from './events.ts'
import { POSITIONS } from './positions.ts'
import { REQUESTS } from './requests.ts'
import { RIGHTS } from './rights.ts'
import { ServerScene, type Target } from './scene.ts'
import { SLOW } from './slow.ts'
import { WATCHED } from './watched.ts'

/** All cases for servers. */
export const SERVER_CASES: readonly Case<ServerScene>[] = [
  ...REQUESTS,
  ...EVENTS,
  ...POSITIONS,
  ...RIGHTS,
  ...WATCHED,
  ...SLOW,
]

/** Gives each case the server under test, as a user of its own. */
export class ServerStage implements Stage<ServerScene> {
  readonly #target: Target
  #missing: Promise<readonly string[]> | undefined

  constructor(target: Target) {
    this.#target = target
  }

  async open({ needs = [] }: Case<ServerScene>): Promise<ServerScene> {
    if (needs.length > 0) {
      this.#missing ??= missingRoots(this.#target)
      const missing = await this.#missing
      const root = needs.find((each) => missing.includes(each))
      if (root !== undefined) throw new Skip(`the server has no root ${root}`)
    }
    return new ServerScene(this.#target)
  }

  async close(scene: ServerScene): Promise<string> {
    scene.close()
    return ''
  }
}

/**
 * Lists the roots that the fixture leaves out, by the answer to a user who may see all of them. Lists none
 * where there is no such answer: the cases then tell what is wrong.
 */
async function missingRoots(target: Target): Promise<readonly string[]> {
  const scene = new ServerScene(target)
  const { root } = scene.room('probe')
  try {
    const stream = await scene.connect({ watch: [root] })
    const { sources } = (await stream.next('manifest')).data
    const isUnknown = stream
      .of('error')
      .some(({ data }) => data.root === root && data.code === 'INVALID_PARAMS')
    return [
      ...['accounts', 'savings', 'top'].filter((name) => !Object.hasOwn(sources, name)),
      ...(isUnknown ? ['messages'] : []),
    ]
  } catch {
    return []
  } finally {
    scene.close()
  }
}
