import type { IncomingMessage } from 'node:http'
import { expect } from 'chai'
import { admitInspector } from '../../../lib/server/inspector/admission.ts'

describe('The admission to the inspector', () => {
  it('fails, and names the guard, when the guard never answers', async () => {
    const never = () => new Promise<boolean>(() => {})
    const error = await admitInspector(never, {} as IncomingMessage, 20).catch((cause: unknown) => cause)
    expect(error).to.include({ code: 'CALLBACK_FAILED', message: 'inspector did not answer in 0.02 s' })
  })

  it('ignores a guard that fails after its time', async () => {
    let fail: (error: Error) => void = () => {}
    const late = () =>
      new Promise<boolean>((_resolve, reject) => {
        fail = reject
      })
    const error = await admitInspector(late, {} as IncomingMessage, 20).catch((cause: unknown) => cause)
    expect(error).to.include({ code: 'CALLBACK_FAILED' })
    fail(new Error('late'))
    await new Promise(setImmediate)
  })
})
