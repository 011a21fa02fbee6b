import { type ComponentType, createElement as h, Suspense } from 'react'
import type { Client } from '../../../../lib/client/index.ts'
import type * as Hooks from '../../../../lib/react/index.ts'

/** Makes the component that a server renders and a page takes over, with the hooks of either. */
export function makeApp(
  { useParticle, useReady, useStatus, useWatch }: typeof Hooks,
  client: Client,
): ComponentType {
  function Whole() {
    useReady(client, 'messages', { room: 2 })
    return h('p', { id: 'whole' }, `${useWatch(client, 'messages', { room: 2 }).data.length} messages`)
  }
  return function App() {
    const room = useWatch(client, 'messages', { room: 1 })
    const texts = room.data.map(({ _id, text }) => h('li', { key: String(_id) }, String(text)))
    return h(
      'main',
      null,
      h('h1', null, useStatus(client)),
      h('p', { id: 'users' }, `${useParticle(client, 'users').length} users`),
      h('ol', { 'data-status': room.status }, texts),
      h(Suspense, { fallback: h('p', { id: 'whole' }, 'waits') }, h(Whole)),
    )
  }
}
