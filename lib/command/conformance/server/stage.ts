import type { Case } from '../case.ts'
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

  constructor(target: Target) {
    this.#target = target
  }

  async open(): Promise<ServerScene> {
    return new ServerScene(this.#target)
  }

  async close(scene: ServerScene): Promise<string> {
    scene.close()
    return ''
  }
}
