import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../hostile/support/random.ts'
import { History } from './history.ts'
import { Judge } from './judge.ts'
import { draw, PHASE_MS, textOf } from './plan.ts'
import { NODES, Scene, type SceneOptions } from './scene.ts'

const WARM_UP_MS = 12_000

/** Says how long chaos reigns, and with which plan. */
export interface StormOptions extends Omit<SceneOptions, 'take'> {
  minutes: number
  print(line: string): void
}

/** What a run found. */
export interface StormReport {
  /** Lists all that should not have been, as sentences. */
  faults: string[]
  /** Holds how long all took to be right again after each phase, in milliseconds. */
  recoveries: number[]
  writes: number
  changesOfRights: number
  logouts: number
  /** Counts the rows that clients showed, each version once for a user. */
  sightings: number
  /** Holds bytes of the heap and of buffers of each node, with no client there. */
  memory: { before: number[]; after: number[] }
  visitors: Record<string, number>
  intruders: Record<string, number>
  /** Counts what the nodes' `onError` was told, by code. */
  errors: Record<string, number>
}

/** Lets chaos reign for some minutes over three nodes, and looks at what came of it. */
export async function storm({ minutes, print, ...options }: StormOptions): Promise<StormReport> {
  const history = new History()
  const judge = new Judge(history)
  const phases = draw(new Random(options.seed), Math.max(1, Math.round((minutes * 60_000) / PHASE_MS)), NODES)
  const scene = await Scene.open({ ...options, take: judge.take }, history)
  try {
    scene.begin()
    await pause(WARM_UP_MS)
    await judge.right(scene, 'at first')
    await scene.empty()
    const before = await judge.memoryOf(scene)
    print(`Each node holds ${before.map(megabytes).join(', ')} with no client.`)
    const recoveries: number[] = []
    let known = 0
    scene.begin()
    for (const [index, phase] of phases.entries()) {
      print(`Phase ${index + 1} of ${phases.length}`)
      let past = 0
      for (const incident of phase) {
        await pause(incident.at - past)
        past = incident.at
        print(`  ${textOf(incident)}`)
        scene.start(incident)
      }
      await pause(PHASE_MS - past)
      recoveries.push(await judge.right(scene, `after phase ${index + 1}`))
      print(`  ${recoveries.at(-1)} ms until all are right`)
      for (const fault of judge.faults.slice(known)) print(`  ${fault}`)
      known = judge.faults.length
      scene.goOn()
    }
    await scene.empty()
    const after = await judge.memoryOf(scene, before)
    judge.close(scene)
    return {
      faults: judge.faults,
      recoveries,
      writes: scene.writer.written,
      changesOfRights: scene.writer.changes,
      logouts: scene.logouts,
      sightings: judge.sightings,
      memory: { before, after },
      visitors: scene.visitors.counts,
      intruders: scene.intruders.counts,
      errors: judge.errors,
    }
  } finally {
    await scene.close()
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
