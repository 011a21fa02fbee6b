import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import type { Admissions } from '../../../lib/server/auth/admission.ts'
import type { Admission } from '../../../lib/server/auth/admitted.ts'
import { Openings } from '../../../lib/server/auth/openings.ts'
import { type Predicate, Revocations } from '../../../lib/server/auth/revocations.ts'
import type { Connection } from '../../../lib/server/delivery/connection.ts'
import type { ResumePlan } from '../../../lib/server/delivery/resume.ts'
import { resolveLimits } from '../../../lib/server/options/limits.ts'
import type { Views } from '../../../lib/server/registry/views.ts'
import type { Dependencies } from '../../../lib/server/relations/dependencies.ts'
import { Rights } from '../../../lib/server/rights.ts'
import { IdentityStreams } from '../../../lib/server/sessions/identity-streams.ts'
import type { Stream } from '../../../lib/server/sessions/stream.ts'
import { Streams } from '../../../lib/server/sessions/streams.ts'
import type { Watches } from '../../../lib/server/sessions/watches.ts'
import { Diagnostics } from '../../../lib/server/support/diagnostics.ts'
import { Faults } from '../../../lib/server/support/faults.ts'
import type { View } from '../../../lib/server/view/view.ts'

const START: ResumePlan = { presented: false, reasonFor: () => 'history-lost' }
const HOUR = 3_600_000
interface User {
  name: string
  team: string
}
/** Lets look-ups wait; returns what answers the last one. */
function lookLater(look: (find: () => Promise<User>) => void): (user: User) => void {
  let answer: (user: User) => void = () => {}
  look(
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  )
  return (user) => answer(user)
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** What a stream was told: as much of a connection as streams know of. */
class Told {
  readonly events: unknown[] = []
  readonly views: View[] = []
  ended = false
  start(): void {
    this.events.push('start')
  }
  send({ event, data }: { event: string; data: { token?: string } }): void {
    this.events.push(event === 'session' ? [event, data.token] : event)
  }
  pushAtPresent(event: Buffer): void {
    this.events.push(/event: (.*)/.exec(event.toString())?.[1])
  }
  change(views: readonly { key: string }[]): void {
    this.events.push(['change', ...views.map(({ key }) => key)])
  }
  #isHeld = false
  hold(): void {
    this.events.push('hold')
    this.#isHeld = true
  }
  release(): void {
    if (this.#isHeld) this.events.push('release')
    this.#isHeld = false
  }
  end(event?: { data: { reason: string } }): void {
    if (!this.ended) this.events.push(['end', event?.data.reason])
    this.ended = true
  }
}

describe('server/streams', () => {
  const setUp = () => {
    const errors: unknown[] = []
    const left: string[] = []
    const rights = new Revocations(
      { sessionTtl: HOUR },
      (error) => errors.push(error),
      () => 'moment',
    )
    let lookups = 0
    let find: (name: string) => User | Promise<User> = (name) => ({ name, team: 'new' })
    const admissionOf = (name: string, team = 'old', ttl = HOUR, at = Revocations.now()) =>
      ({
        session: name,
        given: name,
        identity: { name, team },
        views: {},
        at,
        after: rights.stamp(undefined, at),
        expiresAt: Date.now() + ttl,
      }) as Admission
    const admissions = {
      rights,
      openings: new Openings(),
      goOn: (_before: Admission, next: Admission, views: Admission['views']) => ({ ...next, views }),
      meets: (predicate: never, admission: Admission) => rights.meets(predicate, admission),
      identifyAgain: async ({ session }: Admission) => {
        lookups++
        const at = Revocations.now()
        const { name, team } = await find(session)
        return admissionOf(name, team, HOUR, at)
      },
      tokens: { seal: async ({ identity }: Admission) => `token of ${(identity as unknown as User).team}` },
    } as unknown as Admissions
    const views = {
      of: ({ name, team }: User) => [{ key: `${name} ${team}`, root: 'cards' }],
      left: ({ key }: View) => left.push(key),
    } as unknown as Views
    const identities = new IdentityStreams(resolveLimits(), new Faults(() => {}))
    const onError = (error: unknown) => errors.push(error)
    const following = { related: () => undefined, watch: () => undefined } as unknown as Dependencies
    const opened = new Streams(admissions, views, {} as Watches, identities, onError, following)
    const options = { onError: () => {}, diagnostics: new Diagnostics() }
    const decisions = new Rights(admissions, opened, options, undefined)
    const streams = Object.assign(opened, {
      revoke: (predicate: Predicate, reason: string) => decisions.revoke(predicate, reason),
      refresh: (predicate: Predicate) => decisions.refresh(predicate),
    })
    const open = (name: string, { begun = true, ttl = HOUR } = {}) => {
      const told = new Told()
      told.views.push({ key: `${name} old` } as View)
      const stream: Stream = {
        connection: told as unknown as Connection,
        watched: new Map(),
        admission: admissionOf(name, 'old', ttl),
        renewed: false,
        asks: false,
      }
      streams.add(stream)
      const end = told.end.bind(told)
      told.end = (event) => {
        end(event)
        streams.delete(stream)
      }
      if (begun) streams.begin(stream, START)
      return { told, stream }
    }
    const named = (name: string) => (user: User) => user.name === name
    return {
      streams,
      errors,
      left,
      rights,
      open,
      named,
      lookups: () => lookups,
      look: (by: typeof find) => {
        find = by
      },
    }
  }

  it('are counted, and leave their views when they end', () => {
    const { streams, left, open } = setUp()
    const { stream } = open('ann')
    open('ben')
    streams.delete(stream)
    expect([streams.open.size, left]).to.deep.equal([1, ['ann old']])
    streams.end('server-closed')
    expect([streams.open.size, left]).to.deep.equal([0, ['ann old', 'ben old']])
  })

  it('are revoked where they are meant, with the reason', () => {
    const { streams, open, named } = setUp()
    const [ann, ben] = [open('ann'), open('ben')]
    expect(streams.revoke(named('ann'), 'left')).to.equal(1)
    expect([ann.told.events, ben.told.events]).to.deep.equal([['start', ['end', 'left']], ['start']])
  })

  it('are refreshed where they are meant: the views change, then the new token goes out', async () => {
    const { streams, open, named } = setUp()
    const [ann, ben] = [open('ann'), open('ben')]
    expect(await streams.refresh(named('ann'))).to.equal(1)
    expect(ann.told.events).to.deep.equal(['start', ['change', 'ann new'], ['session', 'token of new']])
    expect(ben.told.events).to.deep.equal(['start'])
  })

  it('are refreshed 64 at a time, however many there are', async () => {
    const { streams, open, look } = setUp()
    let [running, most] = [0, 0]
    look(async (name) => {
      most = Math.max(most, ++running)
      await turn()
      running--
      return { name, team: 'new' }
    })
    const opened = Array.from({ length: 200 }, (_, i) => open(`${i}`))
    expect(await streams.refresh(() => true)).to.equal(200)
    expect(most).to.equal(64)
    expect(new Set(opened.map(({ told }) => told.events.length))).to.deep.equal(new Set([3]))
  })

  it('look one thing up after the other: a lookup that began before a refresh may have found the old rights', async () => {
    const { streams, open, look } = setUp()
    const { told } = open('ann')
    const answers: ((user: User) => void)[] = []
    look(() => new Promise((resolve) => answers.push(resolve)))
    const refreshed = [streams.refresh(() => true)]
    await turn()
    refreshed.push(streams.refresh(() => true))
    await turn()
    expect(answers.length).to.equal(1)
    for (const team of ['one', 'two', 'three']) {
      answers.shift()?.({ name: 'ann', team })
      await turn()
    }
    await Promise.all(refreshed)
    expect(told.events.filter((event) => event !== 'start')).to.deep.equal([
      ['change', 'ann two'],
      ['session', 'token of two'],
      ['change', 'ann three'],
      ['session', 'token of three'],
    ])
  })

  it('look things up once more for all refreshes that come while a lookup is under way', async () => {
    const { streams, open, look } = setUp()
    open('ann')
    const answers: ((user: User) => void)[] = []
    look(() => new Promise((resolve) => answers.push(resolve)))
    const refreshed: Promise<number>[] = []
    for (let times = 0; times < 50; times++) {
      refreshed.push(streams.refresh(() => true))
      await turn()
    }
    expect(answers).to.have.length(1)
    for (let index = 0; index < answers.length; index++) {
      answers[index]?.({ name: 'ann', team: 'new' })
      await turn()
    }
    await Promise.all(refreshed)
    // The first one answered under old rights, and looked up again; then one for all who waited.
    expect(answers.length).to.be.within(2, 3)
  })

  describe('that have not begun', () => {
    it('are told their new token after the manifest, and only the last one', async () => {
      const { streams, open, look } = setUp()
      const { told, stream } = open('ann', { begun: false })
      await streams.refresh(() => true)
      look((name) => ({ name, team: 'newer' }))
      await streams.refresh(() => true)
      expect(told.events).to.deep.equal([
        ['change', 'ann new'],
        ['change', 'ann newer'],
      ])
      streams.begin(stream, START)
      await turn()
      expect(told.events.slice(2)).to.deep.equal(['start', ['session', 'token of newer']])
    })

    it('are told the token that was renewed as they were opened', async () => {
      const { streams, open } = setUp()
      const { told, stream } = open('ann', { begun: false })
      stream.renewed = true
      streams.begin(stream, START)
      await turn()
      expect(told.events).to.deep.equal(['start', ['session', 'token of old']])
    })
  })

  describe('whose lookup', () => {
    const cases: [string, () => User, unknown[], number][] = [
      [
        'refuses end as revoked',
        () => {
          throw new ParticleError('UNAUTHORIZED', 'no')
        },
        [['end', 'identity-refused']],
        0,
      ],
      [
        'fails end without a word',
        () => {
          throw new ParticleError('UNAVAILABLE', 'later')
        },
        [['end', undefined]],
        0,
      ],
      [
        'has to wait end without a word',
        () => {
          throw new ParticleError('UNAVAILABLE', 'later')
        },
        [['end', undefined]],
        0,
      ],
      [
        'finds what makes a criteria throw end, and it is reported',
        () => {
          throw new Error('criteria')
        },
        [['end', undefined]],
        1,
      ],
    ]
    for (const [what, find, expected, reported] of cases) {
      it(what, async () => {
        const { streams, open, look, errors } = setUp()
        look(find)
        const { told } = open('ann')
        await streams.refresh(() => true)
        expect([told.events.slice(1), errors.length]).to.deep.equal([expected, reported])
      })
    }

    it('was under way when they were revoked end, also where only the new identity is meant', async () => {
      const { streams, open, look } = setUp()
      const { told } = open('ann')
      const answer = lookLater(look)
      const refreshed = streams.refresh(() => true)
      await turn()
      expect(streams.revoke((user: User) => user.team === 'banned', 'banned')).to.equal(0)
      answer({ name: 'ann', team: 'banned' })
      await refreshed
      expect(told.events).to.deep.equal(['start', ['end', 'banned']])
    })

    it('was under way when they ended are left alone', async () => {
      const { streams, open, look } = setUp()
      const { told, stream } = open('ann')
      const answer = lookLater(look)
      const refreshed = streams.refresh(() => true)
      await turn()
      streams.delete(stream)
      answer({ name: 'ann', team: 'new' })
      await refreshed
      expect(told.events).to.deep.equal(['start'])
    })
  })

  describe('with every beat', () => {
    const SOON = 10_000
    it('give a sign of life, and renew the tokens that end soon, once each', async () => {
      const { streams, open, lookups } = setUp()
      const [long, soon] = [open('ann'), open('ben', { ttl: SOON - 1_000 })]
      streams.beat(SOON)
      streams.beat(SOON)
      await turn()
      expect(lookups()).to.equal(1)
      expect(long.told.events).to.deep.equal(['start', 'ping', 'ping'])
      expect(soon.told.events).to.deep.equal([
        'start',
        'ping',
        'ping',
        ['change', 'ben new'],
        ['session', 'token of new'],
      ])
      streams.beat(SOON)
      await turn()
      expect(lookups()).to.equal(1)
    })

    it('go on where the lookup fails, and try again, until the token has ended', async () => {
      const { streams, open, look, lookups } = setUp()
      look(() => {
        throw new ParticleError('UNAVAILABLE', 'later')
      })
      const { told, stream } = open('ann', { ttl: 1_000 })
      for (let i = 0; i < 2; i++) {
        streams.beat(SOON)
        await turn()
      }
      expect([told.ended, lookups()]).to.deep.equal([false, 2])
      if (stream.admission) stream.admission.expiresAt = Date.now()
      streams.beat(SOON)
      await turn()
      expect(told.events.at(-1)).to.deep.equal(['end', undefined])
    })

    it('hold back the data of those whose token ends during their lookup, until it is renewed', async () => {
      const { streams, open, look } = setUp()
      const answer = lookLater(look)
      const { told, stream } = open('ann', { ttl: 1_000 })
      streams.beat(SOON)
      await turn()
      if (stream.admission) stream.admission.expiresAt = Date.now()
      streams.beat(SOON)
      answer({ name: 'ann', team: 'new' })
      await turn()
      expect(told.events).to.deep.equal([
        'start',
        'ping',
        'ping',
        'hold',
        ['change', 'ann new'],
        'release',
        ['session', 'token of new'],
      ])
    })

    it('leave those alone who need no token', async () => {
      const { streams, open, lookups } = setUp()
      const { told, stream } = open('ann')
      stream.admission = undefined
      streams.beat(SOON)
      await turn()
      expect([told.events, lookups()]).to.deep.equal([['start', 'ping'], 0])
    })
  })
})
