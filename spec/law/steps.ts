import fc from 'fast-check'
import type { Held } from './held.ts'
import { USERS } from './people.ts'
import { RealClient } from './real.ts'
import { type Identity, STORES } from './roots.ts'
import { Step } from './step.ts'
import { watching } from './watching.ts'
import type { World } from './world.ts'
import { type Write, writes } from './writes.ts'

const clients = fc.nat({ max: 3 })
const nodes = fc.nat({ max: 1 })
const stores = fc.constantFrom(...STORES)
const users = fc.constantFrom(...Object.keys(USERS))
const named = (at: number) => (at === 0 ? 'north' : 'south')

const identities = fc.record({
  team: fc.constantFrom('red', 'blue'),
  kinds: fc.subarray(['x', 'y', 'z']),
})

const write = fc.tuple(stores, fc.array(writes, { minLength: 1, maxLength: 4 })).map(
  ([store, all]: ['first' | 'second', Write[]]) =>
    new Step(`write to ${store}: ${all.map(({ text }) => text).join('; ')}`, async (world) => {
      for (const one of all) await world.write(store, one)
    }),
)

const within = writes.filter(({ whole }) => !whole)
const transaction = fc
  .tuple(stores, fc.array(within, { minLength: 2, maxLength: 4 }))
  .map(
    ([store, all]: ['first' | 'second', Write[]]) =>
      new Step(`write to ${store} at once: ${all.map(({ text }) => text).join('; ')}`, (world) =>
        world.transact(store, all),
      ),
  )

const turns = fc
  .integer({ min: 1, max: 6 })
  .map((count) => new Step(`${count} turns`, (world) => world.turns(count)))

const come = fc
  .tuple(fc.boolean(), users, nodes)
  .map(
    ([real, user, at]) =>
      new Step(`${real ? 'real' : 'bare'} client comes as ${user} to ${named(at)}`, (world) =>
        world.come(real, user, at),
      ),
  )

const drop = fc
  .tuple(clients, fc.boolean(), fc.boolean(), fc.oneof(fc.constant(0), fc.nat({ max: 4 })))
  .map(([index, heard, noticed, events]) => {
    const how = `${heard ? 'heard' : 'unheard'}, ${noticed ? 'noticed' : 'unnoticed'}`
    return new Step(`line of ${index} breaks after ${events} events, ${how}`, (world) =>
      world.one(index)?.drop({ heard, noticed, events }),
    )
  })

const cut = fc.tuple(clients, writes, fc.integer({ min: 1, max: 4 })).map(
  ([index, one, events]) =>
    new Step(`write to first: ${one.text}, of which ${index} gets ${events} events`, async (world) => {
      await world.write('first', one)
      await world.turn()
      world.one(index)?.drop({ heard: true, noticed: true, events })
    }),
)

const back = fc.tuple(clients, fc.option(nodes, { freq: 2 })).map(
  ([index, at]) =>
    new Step(`${index} comes back to ${at === null ? 'its node' : named(at)}`, (world) => {
      const participant = world.one(index)
      participant?.back(at ?? participant.at)
    }),
)

const reading = fc.oneof(
  clients.map((index) => new Step(`${index} stops reading`, (world) => world.one(index)?.pause())),
  clients.map((index) => new Step(`${index} reads on`, (world) => world.one(index)?.resume())),
  fc
    .tuple(clients, fc.integer({ min: 1, max: 900 }))
    .map(
      ([index, bytes]) => new Step(`${index} reads ${bytes} bytes`, (world) => world.one(index)?.sip(bytes)),
    ),
)

const identify = fc
  .tuple(clients, users, nodes, fc.boolean(), fc.boolean())
  .map(([index, user, at, keep, previous]) => {
    const how = `${keep ? ', keeps its id' : ''}${previous ? ', names its old token' : ''}`
    return new Step(`${index} becomes ${user} at ${named(at)}${how}`, (world) =>
      world.one(index)?.identify(user, at, { keep, previous }),
    )
  })

const rights = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(users, fc.option(identities, { freq: 6 }), fc.boolean())
      .map(([user, found, refresh]) => {
        const identity: Identity | null = found && { user, ...found }
        const text = `${user} is found to be ${JSON.stringify(found)}${refresh ? ', and refreshed' : ''}`
        return new Step(text, async (world) => {
          world.changeRights(user, identity)
          if (refresh) await world.refresh(user)
        })
      }),
  },
  {
    weight: 2,
    arbitrary: users.map((user) => new Step(`${user} is refreshed`, (world) => world.refresh(user))),
  },
  {
    weight: 1,
    arbitrary: users.map((user) => new Step(`${user} is revoked`, (world) => world.revoke(user))),
  },
)

const source = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(nodes, stores)
      .map(
        ([at, store]) =>
          new Step(`changes of ${store} are held up on their way to ${named(at)}`, (world) =>
            world.nodes[at]?.held[store].hold(),
          ),
      ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(nodes, stores)
      .map(
        ([at, store]) => new Step(`${store} can't be read by ${named(at)}`, (world) => world.fail(at, store)),
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      new Step('what is held up goes on', (world) => {
        for (const held of sources(world)) held.release()
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(nodes, stores, fc.boolean(), fc.nat({ max: 2 }))
      .map(
        ([at, store, lost, events]) =>
          new Step(
            `the stream of ${store} to ${named(at)} breaks off after ${events} events${lost ? ', and its history is lost' : ''}`,
            (world) => world.interrupt(at, store, lost, events),
          ),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.constant(
      new Step('what is held up is lost', (world) => {
        for (const held of sources(world)) if (held.lose()) world.count('histories lost')
      }),
    ),
  },
)

function sources(world: World): Held[] {
  return world.nodes.flatMap(({ held }) => STORES.map((store) => held[store]))
}

const process = fc
  .tuple(nodes, fc.boolean(), fc.boolean())
  .map(
    ([at, killed, again]) =>
      new Step(`${named(at)} ${killed ? 'is killed' : 'stops'}${again ? ' and starts again' : ''}`, (world) =>
        world.process(at, { killed, again }),
      ),
  )

const odd = fc.oneof(
  clients.map(
    (index) =>
      new Step(`the next stream of ${index} can't be opened`, (world) => {
        const participant = world.one(index)
        if (participant) participant.unlucky = true
      }),
  ),
  clients.map(
    (index) =>
      new Step(`${index} hears nothing for too long`, (world) => {
        const participant = world.one(index)
        if (participant instanceof RealClient) participant.silence()
      }),
  ),
  clients.map((index) => new Step(`${index} leaves`, (world) => world.one(index)?.leave())),
  fc.constant(new Step('a heartbeat', (world) => world.beat())),
  fc.constant(new Step('a heartbeat', (world) => world.beat())),
)

const quiet = fc
  .boolean()
  .map((all) => new Step(all ? 'quiet, all are back' : 'quiet', (world) => world.quiet(all)))

/** What happens in one run. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 7, arbitrary: write },
    { weight: 4, arbitrary: transaction },
    { weight: 7, arbitrary: turns },
    { weight: 3, arbitrary: come },
    { weight: 3, arbitrary: drop },
    { weight: 3, arbitrary: cut },
    { weight: 5, arbitrary: back },
    { weight: 4, arbitrary: reading },
    { weight: 2, arbitrary: identify },
    { weight: 3, arbitrary: rights },
    { weight: 5, arbitrary: source },
    { weight: 1, arbitrary: process },
    { weight: 3, arbitrary: watching },
    { weight: 2, arbitrary: odd },
    { weight: 2, arbitrary: quiet },
  ),
  { minLength: 1, maxLength: 80, size: 'max' },
)
