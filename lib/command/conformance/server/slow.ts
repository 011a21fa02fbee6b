import { checkEqual, type Tests } from '../case.ts'
import type { ServerScene } from './scene.ts'
import type { ServerStream } from './stream.ts'

/** The size of each write, and the number of writes: more than the buffers of two sockets hold. */
const WRITE_BYTES = 500_000
const WRITES = 40

/** Writes so much that a client which does not read falls behind. */
async function flood(scene: ServerScene): Promise<void> {
  for (let points = 1; points <= WRITES; points++) {
    const set = { points, title: 'x'.repeat(points === WRITES ? 1 : WRITE_BYTES) }
    await scene.write({ collection: 'tasks', id: scene.id(1), set })
  }
}

/** Waits until a stream is up to date after {@link flood}. */
async function isFlooded(scene: ServerScene, stream: ServerStream): Promise<void> {
  await stream.until(() => stream.model.tasks?.[0]?.points === WRITES, 'the last write')
  stream.shows('tasks', [{ _id: scene.id(1), title: 'x', points: WRITES }])
}

/**
 * The cases about clients that do not read. They run alone: what they write may be more than the log of
 * the server holds, which others resume from.
 */
export const SLOW: Tests<ServerScene> = {
  async 'S1 a client that falls behind is reset when it reads on, and then up to date'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const stream = await scene.connect()
    stream.pause()
    await flood(scene)
    stream.resume()
    await isFlooded(scene, stream)
    const [reset] = stream.of('reset')
    checkEqual([reset?.data.root, reset?.data.reason], ['tasks', 'slow-client'], 'the event reset')
    checkEqual(reset?.id, '', 'the id of the event reset (P3)')
    await stream.until(() => stream.position !== '', 'a position after the reset')
  },
  async 'S2 a client that does not read delays no other one'(scene) {
    await scene.write({ collection: 'tasks', insert: scene.task(1) })
    const slow = await scene.connect()
    slow.pause()
    const quick = await scene.ready()
    await flood(scene)
    await isFlooded(scene, quick)
  },
}
