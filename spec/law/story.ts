import { expect } from 'chai'
import type { Participant } from './participant.ts'
import { STORES, type StoreName } from './roots.ts'
import { Step } from './step.ts'
import type { Config, World } from './world.ts'
import { seed, type Write } from './writes.ts'

const NORTH = 0
const SOUTH = 1
/** More than waits for a slow client. */
const MUCH = 70_000
/** So many turns are waited for what is on its way. */
const LONGEST = 400

const quiet = new Step('quiet, all are back', (world) => world.quiet(true))

function all(write: Write['run'], text: string): Step {
  return new Step(`write to both: ${text}`, async (world) => {
    for (const store of STORES) await world.write(store, { text, run: write })
  })
}

function client(index: number, text: string, act: (participant: Participant) => void): Step {
  return new Step(`${index} ${text}`, (world) => {
    const participant = world.one(index)
    if (participant) act(participant)
  })
}

function upstream(text: string, act: (world: World, store: StoreName) => void): Step {
  return new Step(text, (world) => {
    for (const store of STORES) act(world, store)
  })
}

const rename = all(
  (collection, n) => collection.updateMany({}, { $set: { name: `v${n}` } }),
  '$set name of all',
)
const lengthen = all(
  (collection, n) => collection.updateMany({}, { $set: { name: `v${n}${'~'.repeat(MUCH)}` } }),
  '$set a long name of all',
)
const insert = all(seed, 'insert')
const drop = new Step('drop both', async (world) => {
  for (const store of STORES)
    await world.write(store, { text: 'drop', whole: true, run: (collection) => collection.drop() })
})
const heldUp = new Step('changes come', async (world) => {
  const { held } = world.nodes[NORTH] ?? expect.fail('There is no north')
  for (let turn = 0; turn < LONGEST && !STORES.every((store) => held[store].holds); turn++)
    await world.turns(1)
})
const breaks = (index: number) =>
  client(index, 'loses its line', (one) => one.drop({ heard: true, noticed: true, events: 0 }))
const comesBack = (index: number, at: number) => client(index, 'comes back', (one) => one.back(at))

/** What must have happened in any trial, one thing after the other; a few runs by chance may lack some of it. The first client is at the north, the second at the south. */
export const story: [Config, Step[]] = [
  {
    manner: { tells: 'documents', asked: true, torn: false },
    history: 1000,
    replayBytes: 1_000_000,
    maxBufferedBytes: 1_024,
    sessionTtl: 3_600_000,
  },
  [
    // Another one who sees what the first one sees.
    new Step('bare client comes as ann to north', (world) => world.come(false, 'ann', NORTH)),
    quiet,
    // Back to the same node, and to the other one.
    ...[breaks(0), breaks(1), rename, comesBack(0, NORTH), comesBack(1, NORTH), quiet],
    // Too much for one who doesn't read.
    ...[client(0, 'stops reading', (one) => one.pause()), lengthen, lengthen, rename, quiet],
    // On the way to a node, changes are lost; and further up.
    upstream('changes are held up', (world, store) => world.nodes[NORTH]?.held[store].hold()),
    ...[rename, heldUp],
    upstream('what is held up is lost', (world, store) => {
      if (world.nodes[NORTH]?.held[store].lose()) world.count('histories lost')
    }),
    quiet,
    upstream('the streams to the north break off', (world, store) => world.interrupt(NORTH, store, false, 1)),
    ...[rename, quiet],
    upstream('the streams to the north are lost', (world, store) => world.interrupt(NORTH, store, true, 1)),
    ...[rename, quiet],
    ...[drop, quiet, insert, quiet],
    // Others' rights, and none.
    client(1, 'becomes cat', (one) => one.identify('cat', SOUTH, { keep: true, previous: true })),
    quiet,
    new Step('cat is revoked', (world) => world.revoke('cat')),
    ...[rename, quiet],
  ],
]
