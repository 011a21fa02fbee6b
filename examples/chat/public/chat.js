import { Client } from '/particle/client.js'

const find = (selector) => document.querySelector(selector)
let client
let name
let room // the watch of the room on the screen

async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body ?? {}) })
  if (!response.ok) throw new Error(`${path}: ${response.status}`)
}

find('#login').onsubmit = async (event) => {
  event.preventDefault()
  name = event.target.name.value.trim()
  await post('/login', { name })
  client = new Client({ onStatus: (status) => status === 'refused' && location.reload() })
  client.on('rooms.**', showRooms)
  await client.ready()
  event.target.hidden = true
  find('main').hidden = false
}

function showRooms(rooms) {
  const buttons = rooms.map(({ _id, members }) => {
    const button = document.createElement('button')
    button.textContent = `${_id} (${members.length})`
    button.onclick = () => enter(_id)
    return button
  })
  find('nav').replaceChildren(...buttons)
}

async function enter(id) {
  await post(`/rooms/${id}/join`)
  room?.close() // the messages of the last room are sent no longer
  room = client.watch('messages', { room: id })
  room.subscribe(showMessages)
  find('h1').textContent = id
  find('section').hidden = false
  find('#leave').onclick = () => post(`/rooms/${id}/leave`)
  find('#more').onclick = () => room.more(20)
  find('#say').onsubmit = (event) => {
    event.preventDefault()
    post(`/rooms/${id}/messages`, { text: event.target.text.value })
    event.target.reset()
  }
}

function showMessages() {
  if (room.status === 'refused') find('section').hidden = true
  const items = room.getSnapshot().map(({ from, text }) => {
    const item = document.createElement('li')
    item.textContent = `${from}: ${text}`
    return item
  })
  find('ol').replaceChildren(...items.reverse())
}
