import { Client } from 'particle/client'
import * as hooks from 'particle/react'
import { createElement } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { makeApp } from './app.ts'

const problems = []
const model = document.querySelector('#model')?.textContent
const client = new Client({ identity: 'ann', ...(model && { initial: JSON.parse(model) }) })
window.problems = problems
// The page takes over late, when the client has more than the server rendered.
await client.ready()
hydrateRoot(document.querySelector('#app'), createElement(makeApp(hooks, client)), {
  onRecoverableError: (error) => problems.push(String(error)),
})
