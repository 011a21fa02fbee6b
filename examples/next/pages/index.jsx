import { Client } from 'particle/client'
import { useParticle } from 'particle/react'
import { useEffect, useState } from 'react'

export default function Page() {
  const [client, setClient] = useState(undefined)
  useEffect(() => {
    const client = new Client()
    setClient(client)
    return client.close
  }, [])
  return client ? <Tasks client={client} /> : <p>Connecting</p>
}

function Tasks({ client }) {
  const tasks = useParticle(client, 'tasks')
  return (
    <ul>
      {tasks.map((task) => (
        <li key={task._id}>
          <button type="button" onClick={() => fetch(`/tasks/${task._id}/toggle`, { method: 'POST' })}>
            {task.done ? '☑' : '☐'}
          </button>{' '}
          {task.title}
        </li>
      ))}
    </ul>
  )
}
