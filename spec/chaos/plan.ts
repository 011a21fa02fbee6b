import type { Random } from '../hostile/support/random.ts'
import { STORES, type StoreName } from './stores.ts'
import { USERS } from './world.ts'

/** One thing that goes wrong, or one that an operator does. */
export interface Incident {
  /** In milliseconds after the begin of its phase. */
  at: number
  name: (typeof NAMES)[number]
  node: number
  store: StoreName
  user: string
  /** How long it lasts, where it does. */
  ms: number
  signal: 'SIGINT' | 'SIGKILL'
}

const NAMES = [
  'a line stalls',
  'a line breaks',
  'a store freezes',
  'a store freezes',
  'postgres restarts',
  'redis restarts',
  'a store loses its history',
  'a store loses its history',
  'redis loses everything',
  'a node is killed',
  'a node is killed',
  'a node is replaced',
  'a node freezes',
  'nginx restarts',
  'large writes come fast',
  'rights are shuffled',
  'everybody is refreshed',
  'a user is logged out',
  'a user is logged out',
] as const

/** How long a phase lasts, after which all must become right, in milliseconds. */
export const PHASE_MS = 20_000
const PER_PHASE = 7
/** Ends a phase without incidents, so that the last one is over. */
const CALM_MS = 4_000
const LONGEST_MS = 5_000

/** Draws the incidents of each phase: the same for the same seed, and each kind before any comes again. */
export function draw(random: Random, phases: number, nodes: number): Incident[][] {
  let deck: Incident['name'][] = []
  const next = () => {
    if (deck.length === 0) deck = shuffled(random, NAMES)
    return deck.pop() ?? NAMES[0]
  }
  const incident = (): Incident => {
    const name = next()
    return {
      at: random.below(PHASE_MS - CALM_MS),
      name,
      // The first node lives through all, so that its memory tells.
      node:
        name === 'a node is killed' || name === 'a node is replaced'
          ? 1 + random.below(nodes - 1)
          : random.below(nodes),
      store: random.pick(STORES),
      user: random.pick(USERS),
      ms: 500 + random.below(LONGEST_MS - 500),
      signal: random.pick(['SIGINT', 'SIGKILL']),
    }
  }
  return Array.from({ length: phases }, () =>
    Array.from({ length: PER_PHASE }, incident).sort((a, b) => a.at - b.at),
  )
}

export function textOf({ at, name, node, store, user, ms, signal }: Incident): string {
  const details: Partial<Record<Incident['name'], string>> = {
    'a line stalls': `of node ${node} to ${store}, for ${ms} ms`,
    'a line breaks': `of node ${node} to ${store}`,
    'a store freezes': `${store}, for ${ms} ms`,
    'postgres restarts': `after ${signal}`,
    'redis restarts': `after ${signal}`,
    'a store loses its history': store,
    'a node is killed': `${node}`,
    'a node is replaced': `${node}`,
    'a node freezes': `${node}, for ${ms} ms`,
    'everybody is refreshed': `by node ${node}`,
    'a user is logged out': `${user}, by node ${node}`,
  }
  return `${(at / 1000).toFixed(1).padStart(5)} s  ${[name, details[name]].filter(Boolean).join(': ')}`
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
