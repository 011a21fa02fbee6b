import { Client } from 'particle/client'

// One client for the page. Hot reloading replaces it.
export const client = new Client()
import.meta.hot?.dispose(() => client.close())

const send = (method, path, body) =>
  fetch(path, { method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

export const addTask = (title) => send('POST', '/tasks', { title })
export const setDone = (id, done) => send('PATCH', `/tasks/${id}`, { done })
