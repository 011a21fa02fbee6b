import { memo, useSyncExternalStore } from 'react'
import { addTask, client, setDone } from './tasks.js'

const useDocuments = (root) => useSyncExternalStore(client.subscribe, () => client.getSnapshot(root))

export function App() {
  const tasks = useDocuments('tasks')
  const open = tasks.filter((task) => !task.done).length

  function add(event) {
    event.preventDefault()
    addTask(event.target.title.value)
    event.target.reset()
  }

  return (
    <main>
      <h1>{open} open tasks</h1>
      <ul>
        {tasks.map((task) => (
          <Task key={task._id} task={task} />
        ))}
      </ul>
      <form onSubmit={add}>
        <input name="title" required aria-label="New task" />
        <button type="submit">Add</button>
      </form>
    </main>
  )
}

// Renders again only when its own task has changed: a task that has not changed is the same object.
const Task = memo(function Task({ task }) {
  return (
    <li>
      <label>
        <input type="checkbox" checked={task.done} onChange={() => setDone(task._id, !task.done)} />
        {task.title}
      </label>
    </li>
  )
})
