import { expect } from 'chai'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { createRoot } from 'solid-js'
import { pendingOf } from '../../lib/bindings/pending.ts'
import { readWatch } from '../../lib/bindings/readable.ts'
import { Client, ParticleError } from '../../lib/client/index.ts'
import * as react from '../../lib/react/index.ts'
import * as solid from '../../lib/solid/index.ts'
import * as vue from '../../lib/vue/index.ts'

describe('Parameters that are no object', () => {
  // As a page renders on a server, where no watch opens.
  const client = new Client({ onRegister: () => {} })
  after(() => client.close())

  const missing = undefined as never
  const ways: [name: string, render: () => unknown][] = [
    [
      'useWatch of React',
      () => renderToString(createElement(() => react.useWatch(client, 'a', missing).status)),
    ],
    [
      'useReady of React',
      () => renderToString(createElement(() => react.useReady(client, 'a', missing) ?? null)),
    ],
    ['useWatch of Vue', () => vue.useWatch(client, 'a', missing)],
    ['useWatch of Solid', () => createRoot(() => solid.useWatch(client, 'a', missing))],
    ['the part of all bindings', () => readWatch(client, 'a', missing)],
    ['the wait of all bindings', () => pendingOf(client, 'a', missing)],
  ]
  for (const [name, render] of ways)
    it(`are refused by ${name} when a server renders`, () => {
      expect(render)
        .to.throw(ParticleError, 'watch(source, params) takes a name and an object')
        .with.property('code', 'INVALID_OPTION')
    })
})
