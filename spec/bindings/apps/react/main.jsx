import { useParticle, useReady, useStatus, useWatch } from 'particle/react'
import { Component, memo, StrictMode, Suspense, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { client, countRoom, countRow } from '../page.js'

const Row = memo(function Row({ user }) {
  countRow(user._id)
  return <li>{`${user.name} ${user.n}`}</li>
})

function Users() {
  const users = useParticle(client, 'users')
  return users.map((user) => <Row key={user._id} user={user} />)
}

function Room({ room }) {
  const messages = useWatch(client, 'messages', { room })
  countRoom(room, messages)
  return (
    <>
      <h2>{`Room ${room} ${messages.status} ${messages.error?.code ?? ''}`}</h2>
      <ol id="messages">
        {messages.data.map((message) => (
          <li key={message._id}>{message.text}</li>
        ))}
      </ol>
    </>
  )
}

/** Waits for a room as a whole. */
function Whole({ room }) {
  useReady(client, 'messages', { room })
  return <p id="whole">{`${useWatch(client, 'messages', { room }).data.length} messages`}</p>
}

class Refusal extends Component {
  state = { error: undefined }
  static getDerivedStateFromError = (error) => ({ error })
  render() {
    return this.state.error ? <p id="whole">{this.state.error.code}</p> : this.props.children
  }
}

function App() {
  const [room, setRoom] = useState(1)
  const [whole, setWhole] = useState()
  Object.assign(window, { setRoom, setWhole })
  const even = useParticle(client, 'users', (users) => users.filter(({ _id }) => _id % 2 === 0))
  return (
    <>
      <h1>{useStatus(client)}</h1>
      <p id="even">{even.length}</p>
      {room !== undefined && <Room room={room} />}
      {whole !== undefined && (
        <Refusal key={whole}>
          <Suspense fallback={<p id="whole">waits</p>}>
            <Whole room={whole} />
          </Suspense>
        </Refusal>
      )}
      <ul id="users">
        <Users />
      </ul>
    </>
  )
}

const root = createRoot(document.querySelector('#app'))
// StrictMode renders twice in a development build, and mounts twice.
root.render(
  <StrictMode>
    <App />
  </StrictMode>,
)
