import type { Wire } from '../candidate.ts'
import { Child } from '../child.ts'
import type { FigureName } from './bounds.ts'
import type { Round } from './judge.ts'
import type { ModuleName } from './server.ts'

/** Measures figures together, as long as their servers live. */
interface Contest {
  figures: readonly FigureName[]
  /** Opens what is measured. */
  open(processes: Processes): Promise<Opened>
}

/** The processes of all contests: servers on the first core, their clients on the second. */
export interface Processes {
  server: Child
  load: Child
}

interface Opened {
  /** Measures one round of a figure. The floor comes first where `turned`. */
  measure(figure: FigureName, turned: boolean): Promise<Round>
  close(): Promise<unknown>
}

type Side = keyof Round

interface Address {
  port: number
  path: string
  wire: Wire
}

const CLIENTS = 500

/** Measures one side after the other. */
async function both(turned: boolean, measure: (side: Side) => Promise<number>): Promise<Round> {
  const round = { particle: 0, floor: 0 }
  for (const side of turned ? (['floor', 'particle'] as const) : (['particle', 'floor'] as const))
    round[side] = await measure(side)
  return round
}

/** Starts Particle and its floor. */
async function started({ server, load }: Processes, floor: ModuleName, people: number) {
  const start = (name: Side, module: ModuleName) => server.call<Address>('start', { name, module, people })
  const addresses = {
    particle: await start('particle', 'particle'),
    floor: await start('floor', floor),
  }
  const close = async () => {
    await load.call('close')
    await server.call('stop')
  }
  return { addresses, close }
}

interface Burst {
  perTurn: number
  /** The turns of a round, about as long for both sides: a short time would be the more disturbed one. */
  turns: Record<Side, number>
}

/** Changes that go to clients. */
function changes(floor: ModuleName, clients: number, bursts: Partial<Record<FigureName, Burst>>): Contest {
  return {
    figures: Object.keys(bursts) as FigureName[],
    open: async (processes) => {
      const { server, load } = processes
      const { addresses, close } = await started(processes, floor, 1000)
      for (const side of ['particle', 'floor'] as const)
        await load.call('open', { ...addresses[side], clients })
      const measure = async (figure: FigureName, turned: boolean) => {
        const burst = bursts[figure]
        if (!burst) throw new Error(`${figure} is not of this contest`)
        const { perTurn } = burst
        return both(turned, async (name) => {
          const turns = burst.turns[name]
          const deliveries = (await load.call<number>('deliveries')) + turns * perTurn * clients
          const cpu = await server.call<number>('change', { name, turns, perTurn })
          await load.call('reach', { deliveries, patience: 60_000 })
          return cpu / turns
        })
      }
      return { measure, close }
    },
  }
}

/** What a client of the floor reads. */
interface Floor {
  path: string
  until?: string
}

/** The documents as one JSON, and as the first event of a stream. */
const ALL: Floor = { path: '/all' }
const FIRST: Floor = { path: '/first', until: ']}\n\n' }

/** Clients that come, so many at once, and get all documents. */
function arrivals(
  figure: FigureName,
  people: number,
  clients: number,
  isWarm: boolean,
  floor: Floor,
): Contest {
  return {
    figures: [figure],
    open: async (processes) => {
      const { server, load } = processes
      const { addresses, close } = await started(processes, 'express', people)
      // A client that stays keeps the snapshot.
      if (isWarm) await load.call('open', { ...addresses.particle, clients: 1 })
      const held = { particle: isWarm ? 1 : 0, floor: 0 }
      const reads = {
        particle: { ...addresses.particle, until: 'event: ready' },
        floor: { ...addresses.floor, ...floor },
      }
      const measure = (_: FigureName, turned: boolean) =>
        both(turned, async (name) => {
          await server.call('begin')
          await Promise.all(Array.from({ length: clients }, () => load.call('read', reads[name])))
          return server.call<number>('end', { name, held: held[name] })
        })
      return { measure, close }
    },
  }
}

/** The bytes of one delta, whose operation is the floor. */
const bytes: Contest = {
  figures: ['bytes'],
  open: async (processes) => {
    const { server, load } = processes
    const { addresses, close } = await started(processes, 'plain', 1000)
    await load.call('open', { ...addresses.particle, clients: 1 })
    const operation = { operation: 'set', id: 100, path: 'note', data: 'x'.repeat(64) }
    const measure = async () => {
      const deliveries = (await load.call<number>('deliveries')) + 1
      const before = await load.call<number>('bytes')
      await server.call('change', { name: 'particle', turns: 1, perTurn: 1 })
      await load.call('reach', { deliveries, patience: 60_000 })
      const particle = (await load.call<number>('bytes')) - before
      return { particle, floor: JSON.stringify(operation).length }
    }
    return { measure, close }
  },
}

/** A client that applies deltas. */
const client: Contest = {
  figures: ['client'],
  open: async () => {
    const child = new Child('guard/client.ts', [], 0)
    const measure = (_: FigureName, turned: boolean) => child.call<Round>('round', { deltas: 1500, turned })
    return { measure, close: () => child.end() }
  },
}

export const CONTESTS: readonly Contest[] = [
  changes('plain', 1, { change: { turns: { particle: 4, floor: 48 }, perTurn: 100 } }),
  bytes,
  changes('floor', CLIENTS, {
    one: { turns: { particle: 4, floor: 4 }, perTurn: 1 },
    ten: { turns: { particle: 4, floor: 4 }, perTurn: 10 },
  }),
  arrivals('connect', 10, 40, true, FIRST),
  arrivals('cold', 5_000, 1, false, ALL),
  arrivals('warm', 5_000, 4, true, ALL),
  client,
]
