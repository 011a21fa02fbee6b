import { expect } from 'chai'
import { EncryptJWT, jwtDecrypt } from 'jose'
import { type Claims, deriveKey, sessionId, TokenSeal } from '../../../lib/server/tokens/token.ts'

const SECRET = 'a secret of the specs'
const claims: Claims = {
  session: 'session-1',
  given: { password: 'presented' },
  identity: { accountId: 'hidden', ['__proto__']: 1 },
  views: { users: 'fingerprint' },
  at: 1,
}
const later = () => Date.now() + 60_000
const refused = async (opening: Promise<unknown>) => {
  const error = await opening.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).to.include({ name: 'ParticleError', code: 'UNAUTHORIZED' })
}

describe('server/token', () => {
  it('opens what it sealed, on any node that has the secret', async () => {
    const expiresAt = later()
    const opened = await new TokenSeal(SECRET).open(await new TokenSeal(SECRET).seal(claims, expiresAt))
    expect(opened).to.deep.include(claims)
    expect(Math.abs(opened.expiresAt - expiresAt)).to.be.below(1000)
  })

  it('is opaque: nothing of what it seals can be read from it', async () => {
    const token = await new TokenSeal(SECRET).seal(claims, later())
    expect(token).to.match(/^[\w.-]+$/)
    const parts = token.split('.')
    expect(JSON.parse(Buffer.from(parts[0] ?? '', 'base64url').toString())).to.deep.equal({
      alg: 'dir',
      enc: 'A256GCM',
    })
    const text = parts.map((part) => Buffer.from(part, 'base64url').toString('latin1')).join()
    for (const word of ['hidden', 'presented', 'accountId', 'fingerprint', 'session-1'])
      expect(text).not.to.contain(word)
  })

  it('is a JWE, which another implementation opens, and seals to be opened', async () => {
    const seal = new TokenSeal(SECRET)
    const key = deriveKey(SECRET, '', 'token')
    for (const name of ['', 'a', 'ab', 'Zoë', '日本', '🎉', 'x'.repeat(5_000)]) {
      const given = { ...claims, given: { name } }
      const { payload } = await jwtDecrypt(await seal.seal(given, later()), key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
      })
      expect(payload).to.deep.include(given)
      const token = await new EncryptJWT({ ...given })
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setIssuedAt()
        .setExpirationTime(new Date(later()))
        .encrypt(key)
      expect(await seal.open(token)).to.deep.include(given)
    }
  })

  it('is refused when it names another algorithm, or has a shorter tag', async () => {
    const key = deriveKey(SECRET, '', 'token')
    const jwt = (enc: string, bytes: Uint8Array) =>
      new EncryptJWT({ ...claims })
        .setProtectedHeader({ alg: 'dir', enc })
        .setExpirationTime(new Date(later()))
        .encrypt(bytes)
    const seal = new TokenSeal(SECRET)
    await refused(seal.open(await jwt('A128GCM', key.subarray(0, 16))))
    await refused(seal.open(await jwt('A128CBC-HS256', key)))
    const token = await seal.seal(claims, later())
    for (const cut of [1, 6, 11, 16]) await refused(seal.open(token.slice(0, -cut)))
  })

  it('differs each time', async () => {
    const seal = new TokenSeal(SECRET)
    const expiresAt = later()
    expect(await seal.seal(claims, expiresAt)).not.to.equal(await seal.seal(claims, expiresAt))
  })

  it('is refused when any one of its characters is another', async () => {
    const seal = new TokenSeal(SECRET)
    const token = await seal.seal(claims, later())
    for (let at = 0; at < token.length - 1; at += 7) {
      if (token[at] === '.') continue
      const other = token[at] === 'A' ? 'Q' : 'A'
      await refused(seal.open(`${token.slice(0, at)}${other}${token.slice(at + 1)}`))
    }
  })

  it('is refused when it is no token at all, or of another kind', async () => {
    const seal = new TokenSeal(SECRET)
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const body = Buffer.from(JSON.stringify({ ...claims, exp: 9_999_999_999 })).toString('base64url')
    for (const token of ['', ' ', '.', '....', 'x', `${none}.${body}.`, `${none}..${body}..`, '\0'])
      await refused(seal.open(token))
  })

  it('is refused when another secret sealed it, or another process that has none', async () => {
    const token = await new TokenSeal(SECRET).seal(claims, later())
    await refused(new TokenSeal('another secret of ours').open(token))
    await refused(new TokenSeal(undefined).open(token))
    const random = await new TokenSeal(undefined).seal(claims, later())
    await refused(new TokenSeal(undefined).open(random))
  })

  it('is refused when the secret itself was taken for the key', async () => {
    const key = new Uint8Array(Buffer.from('0123456789abcdef0123456789abcdef'))
    const token = await new EncryptJWT({ ...claims })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime(new Date(later()))
      .encrypt(key)
    await refused(new TokenSeal(key).open(token))
  })

  it('is refused once it has expired, save as the previous one', async () => {
    const seal = new TokenSeal(SECRET)
    const token = await seal.seal(claims, Date.now() - 3_600_000)
    await refused(seal.open(token))
    expect(await seal.open(token, true)).to.deep.include(claims)
    await refused(new TokenSeal('another secret of ours').open(token, true))
  })

  it('gives sessions ids that fit a cookie name and a URL', () => {
    const ids = new Set(Array.from({ length: 1000 }, sessionId))
    expect(ids.size).to.equal(1000)
    for (const id of ids) expect(id).to.match(/^[\w-]{16}$/)
  })
})
