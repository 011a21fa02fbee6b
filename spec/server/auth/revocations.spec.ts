import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import { CLOCK_MARGIN_MS, Revocations } from '../../../lib/server/auth/revocations.ts'

const HOUR = 3_600_000
const ANN = { name: 'ann', team: 'a' }
const BEN = { name: 'ben', team: 'b' }
type User = typeof ANN

describe('server/rights', () => {
  const { now } = Revocations
  let time: number
  const errors: ParticleError[] = []
  const make = (ttl = HOUR) =>
    new Revocations(
      { sessionTtl: ttl },
      (error) => errors.push(error),
      () => 'moment',
    )
  /** What is decided about a user whose identity was looked up at a time. */
  const judge = (rights: Revocations, identity: User, at: number) => {
    const after = rights.stamp(undefined, at)
    const { moment, ...judged } = rights.judge({ identity, given: { user: identity.name }, at, after })
    expect(moment !== undefined).to.equal(judged.stale && judged.revoked === undefined)
    return judged
  }

  beforeEach(() => {
    errors.length = 0
    time = 1_000_000
    Revocations.now = () => time
  })
  afterEach(() => {
    Revocations.now = now
  })

  const inTeam = (team: string) => (user: User) => user.team === team
  const presented = (_user: User, given: { user: string }) => given.user === 'ann'

  const rows: [string, (rights: Revocations) => void, User, number, { revoked?: string; stale: boolean }][] =
    [
      ['nothing was decided', () => {}, ANN, 0, { stale: false }],
      [
        'it was revoked',
        (rights) => rights.revoke(inTeam('a'), 'left'),
        ANN,
        999_999,
        { revoked: 'left', stale: true },
      ],
      [
        'it was revoked at the same moment',
        (rights) => rights.revoke(inTeam('a'), 'left'),
        ANN,
        1_000_000,
        { revoked: 'left', stale: true },
      ],
      [
        'it was looked up after that',
        (rights) => rights.revoke(inTeam('a'), 'left'),
        ANN,
        1_000_001,
        { stale: false },
      ],
      ['another one was meant', (rights) => rights.revoke(inTeam('a'), 'left'), BEN, 0, { stale: false }],
      [
        'it was meant by what it presented',
        (rights) => rights.revoke(presented, 'left'),
        ANN,
        0,
        { revoked: 'left', stale: true },
      ],
      ['it was refreshed', (rights) => rights.refresh(inTeam('a')), ANN, 0, { stale: true }],
      ['another one was refreshed', (rights) => rights.refresh(inTeam('a')), BEN, 0, { stale: false }],
      [
        'it was looked up after the refresh',
        (rights) => rights.refresh(() => true),
        ANN,
        2e6,
        { stale: false },
      ],
      [
        'it was refreshed, then revoked',
        (rights) => {
          rights.refresh(() => true)
          rights.revoke(() => true, 'left')
        },
        ANN,
        0,
        { revoked: 'left', stale: true },
      ],
      [
        'it was revoked for two reasons',
        (rights) => {
          rights.revoke(() => true, 'first')
          rights.revoke(() => true, 'second')
        },
        ANN,
        0,
        { revoked: 'first', stale: true },
      ],
    ]
  for (const [what, decide, user, at, expected] of rows) {
    it(`${expected.revoked ? 'are gone' : expected.stale ? 'are looked up anew' : 'hold'} where ${what}`, () => {
      const rights = make()
      decide(rights)
      expect(judge(rights, user, at)).to.deep.equal(expected)
    })
  }

  describe('of a token of another process', () => {
    const given = { user: 'ann' }
    const foreign = (rights: Revocations, at: number, after?: Record<string, number>) => {
      const { revoked, stale } = rights.judge({ identity: ANN, given, at, ...(after ? { after } : {}) })
      return revoked ?? stale
    }

    it('are known by its time only where that is further away than clocks may differ', () => {
      const rights = make()
      rights.revoke(inTeam('a'), 'left')
      const ages = [-10_001, -10_000, -3_000, 0, 3_000, 10_000, 10_001]
      expect(ages.map((age) => foreign(rights, time + age))).to.deep.equal([
        'left',
        'left',
        true,
        true,
        true,
        true,
        false,
      ])
    })

    it('are known where the token has learnt the time of this process, whatever its own clock says', () => {
      const rights = make()
      const before = rights.stamp({ other: 5 }, time - 1)
      rights.revoke(inTeam('a'), 'left')
      const after = rights.stamp({ other: 5 }, time + 1)
      for (const at of [0, time - 3_000, time + 3_000, 2 * time]) {
        expect([foreign(rights, at, before), foreign(rights, at, after)]).to.deep.equal(['left', false])
      }
    })

    it('keeps the times of the eight processes that it met last', () => {
      const tokens = Array.from({ length: 12 }, () => make())
      const after = tokens.reduce((times, rights, index) => rights.stamp(times, index), {})
      expect(Object.values(after)).to.deep.equal([4, 5, 6, 7, 8, 9, 10, 11])
    })
  })

  it('are decided for as long as an older token may live, also one whose lookup took its time', () => {
    const rights = make(1_000)
    rights.revoke(inTeam('a'), 'left')
    const sealed = time
    time += 31_000
    rights.refresh(inTeam('b'))
    expect(judge(rights, ANN, sealed).revoked).to.equal('left')
    time += 41_000
    rights.refresh(inTeam('b'))
    expect(judge(rights, ANN, sealed)).to.deep.equal({ stale: false })
  })

  it('are looked up anew, whoever has them, where more was refreshed than is told apart', () => {
    const rights = make()
    rights.revoke(inTeam('b'), 'left')
    for (let i = 0; i < 1_001; i++) {
      time++
      rights.refresh(inTeam(`${i}`))
    }
    const first = 1_000_001
    expect([first, first + 1].map((at) => judge(rights, ANN, at).stale)).to.deep.equal([true, false])
    expect(judge(rights, { ...ANN, team: '1' }, first + 1).stale).to.equal(true)
    expect(judge(rights, BEN, 0).revoked).to.equal('left')
  })

  it('are gone, whoever has them, where more was revoked than is told apart, which is reported', () => {
    const rights = make(3_600_000)
    const first = rights.revoke(() => false, 'first').at
    for (let count = 1; count < 10_000; count++) rights.revoke(() => false, 'another')
    const user = { name: 'ann' } as User
    expect(judge(rights, user, first)).to.deep.equal({ stale: false })
    expect(errors).to.deep.equal([])
    rights.revoke(() => false, 'one too many')
    expect(judge(rights, user, first)).to.deep.equal({ revoked: 'identity-refused', stale: true })
    expect(judge(rights, user, first + 1)).to.deep.equal({ stale: false })
    expect(errors.map(({ message }) => message).join()).to.match(/more than 10000 revocations/)
  })

  it('are gone where the predicate of a revocation throws, which is reported', () => {
    const rights = make()
    rights.revoke(() => {
      throw new Error('oops')
    }, 'left')
    expect(judge(rights, ANN, 0)).to.deep.equal({ revoked: 'left', stale: true })
    expect(errors.map(({ code, message }) => [code, message])).to.deep.equal([
      ['CALLBACK_FAILED', 'A predicate on identities threw: Error: oops'],
    ])
  })

  it('are not touched by what is falsy, and are by what is truthy', () => {
    const rights = make()
    const answers = [0, '', null, undefined, false, 1, 'yes', {}]
    expect(answers.map((answer) => rights.meets(() => answer, { identity: {}, given: null }))).to.deep.equal([
      ...[false, false, false, false, false],
      ...[true, true, true],
    ])
  })

  it('are dated by a clock that does not go back', () => {
    Revocations.now = now
    const before = Revocations.now()
    expect(Revocations.now()).to.be.at.least(before)
    expect(Math.abs(Revocations.now() - Date.now())).to.be.below(HOUR)
  })

  describe('of another process', () => {
    const MARGIN = CLOCK_MARGIN_MS
    const decided = (reason?: string) => {
      const rights = make()
      rights.take({ predicate: inTeam('a') as never, at: time, reason }, 'other')
      return rights
    }
    const of = (rights: Revocations, at: number, after?: Record<string, number>) => {
      const { revoked, stale } = rights.judge({ identity: ANN, given: null, at, ...(after && { after }) })
      return revoked ?? stale
    }

    it('is ordered by the clock of that process, where the token has its time', () => {
      const rights = decided('left')
      expect(of(rights, 0, { other: time })).to.equal('left')
      expect(of(rights, 0, { other: time + 1 })).to.equal(false)
    })

    it('is ordered by clocks that may differ, where the token has no time of that process', () => {
      const rights = decided('left')
      expect(of(rights, time - MARGIN)).to.equal('left')
      expect(of(rights, time + MARGIN)).to.equal('left')
      expect(of(rights, time + MARGIN + 1)).to.equal(false)
    })

    it('is older than a lookup here that began after the decision had come, whatever the clocks say', () => {
      const rights = make()
      rights.take({ predicate: inTeam('a') as never, at: time + 5_000, reason: 'left' }, 'other')
      expect(of(rights, time + 1, rights.stamp(undefined, time + 1))).to.equal(false)
      expect(of(rights, time, rights.stamp(undefined, time))).to.equal('left')
    })

    it('is ordered at all nodes by a token of one that knew it before the lookup', () => {
      const [here, there] = [decided('left'), decided('left')]
      const known = here.stamp(undefined, time + 1)
      expect(of(there, time + 1, known)).to.equal(false)
      expect(of(there, time + 1, here.stamp(undefined, time))).to.equal('left')
    })

    for (const skew of [-60_000, 60_000])
      it(`is ordered without clocks, where those of its process and of a token's are off by ${skew} ms`, () => {
        const [here, there, late, off] = [make(), make(), make(), make()]
        const take = (rights: Revocations) =>
          rights.take({ predicate: inTeam('a') as never, at: time + skew, reason: 'left' }, 'other')
        const stamped = (rights: Revocations, at: number) => ({ at, after: rights.stamp(undefined, at) })
        const older = [stamped(here, time - 1), stamped(off, time - 1 - skew)]
        for (const rights of [here, there, off]) take(rights)
        const newer = [stamped(here, time + 1), stamped(off, time + 1)]
        take(late)
        for (const rights of [here, there, late, off]) {
          for (const { at, after } of older.slice(0, rights === off ? 1 : 2))
            expect(of(rights, at, after)).to.equal('left')
          for (const { at, after } of newer) expect(of(rights, at, after)).to.equal(false)
        }
      })

    it('is known to a token of a node that got many decisions in any order', () => {
      const [late, there] = [make(), make()]
      const ages = [5_000, 80_000, 90_000, 70_000, 60_000, 50_000, 40_000, 30_000, 95_000]
      for (const rights of [late, there])
        for (const age of ages)
          rights.take({ predicate: inTeam('a') as never, at: time - age, reason: 'left' }, `process${age}`)
      expect(of(there, time + 1, late.stamp(undefined, time + 1))).to.equal(false)
    })

    it('is ordered by clocks where the token has no room for more processes', () => {
      const rights = decided('left')
      const full = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`process${index}`, index]))
      expect(of(rights, time + MARGIN + 1, full)).to.equal(false)
    })

    it('makes tokens stale where it is a refresh', () => {
      const rights = decided()
      expect(of(rights, 0, { other: time })).to.equal(true)
      expect(of(rights, 0, { other: time + 1 })).to.equal(false)
    })
  })
})
