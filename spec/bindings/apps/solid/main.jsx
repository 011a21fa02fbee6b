import { useParticle, useStatus, useWatch } from 'particle/solid'
import { createMemo, createSignal, For, Show } from 'solid-js'
import { render } from 'solid-js/web'
import { client, countRoom, countRow } from '../page.js'

function Row(props) {
  countRow(props.user._id)
  return (
    <li>
      {props.user.name} {props.user.n}
    </li>
  )
}

function Room(props) {
  const messages = useWatch(client, 'messages', () => ({ room: props.room }))
  const title = createMemo(() => {
    countRoom(props.room, messages())
    return `Room ${props.room} ${messages().status} ${messages().error?.code ?? ''}`
  })
  return (
    <>
      <h2>{title()}</h2>
      <ol id="messages">
        <For each={messages().data}>{(message) => <li>{message.text}</li>}</For>
      </ol>
    </>
  )
}

function App() {
  const [room, setRoom] = createSignal(1)
  window.setRoom = setRoom
  const status = useStatus(client)
  const users = useParticle(client, 'users')
  const even = useParticle(client, 'users', (all) => all.filter(({ _id }) => _id % 2 === 0))
  return (
    <>
      <h1>{status()}</h1>
      <p id="even">{even().length}</p>
      <Show when={room() !== undefined}>
        <Room room={room()} />
      </Show>
      <ul id="users">
        <For each={users()}>{(user) => <Row user={user} />}</For>
      </ul>
    </>
  )
}

render(() => <App />, document.querySelector('#app'))
