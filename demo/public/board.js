// The page of the sample application: two clients side by side, each with its own identity and status, and one drawer for both.
import { Client } from '/particle/client.js'
import { Changes } from './changes.js'
import { Drawer } from './drawer.js'
import { People } from './people.js'
import { Tabs } from './tabs.js'
import { Teams } from './teams.js'
import { Wire } from './wire.js'

const STATUS = {
  connecting: 'Connecting…',
  waiting: 'Loading…',
  ready: 'Live',
  reconnecting: 'Reconnecting…',
  paused: 'Paused',
  refused: 'Refused',
  closed: 'Closed',
}

const drawer = new Drawer(document.querySelector('.drawer'))
const tabs = new Tabs(document.querySelector('.tabs'), document.querySelector('.panes'))
const elements = [...document.querySelectorAll('.pane')]
const sides = elements.map(({ dataset }) => ({
  user: dataset.user,
  rank: dataset.rank,
  isLive: () => dataset.status === 'ready',
}))
const changes = new Changes(sides, { drawer, report })
const panes = elements.map(open)

/** Shows on both cards of a person what a change was for whom, and counts it for a view that is out of sight. */
function report(id, sentence, sides) {
  for (const pane of panes) pane.people.note(id, sentence)
  for (const { user, operations, isSettled } of sides)
    if (isSettled && operations.length > 0) tabs.count(user)
}

function open(pane) {
  const { user, url, rank } = pane.dataset
  const isManager = rank === 'manager'
  pane.append(document.querySelector('#pane').content.cloneNode(true))

  const wire = new Wire((name, data) => {
    if (name === 'delta') changes.add(user, JSON.parse(data))
    else drawer.add(user, name, data)
  })
  const people = new People(pane.querySelector('.people'), { manages: isManager, rank, call })
  const teams = new Teams(pane.querySelector('.teams'), call)
  if (isManager) addPersonForm(pane, call)

  // All that it takes to keep a model current. `fetch` is given only to show the wire, and to unplug it.
  const client = new Client({
    url,
    identity: { user },
    onData: () => {
      people.show(client.data.people ?? [])
      teams.show(client.data.teams ?? [], client.data.memberships ?? [])
      pane.querySelector('.nobody').hidden = client.data.memberships?.length !== 0
      for (const { people } of panes ?? [])
        people.compare(panes.map(({ client }) => client.data.people ?? []))
    },
    onStatus: (status) => showStatus(pane, status),
    fetch: wire.fetch,
  })
  showStatus(pane, client.status)

  pane.querySelector('.plug').addEventListener('click', ({ currentTarget: button }) => {
    wire.toggle()
    button.textContent = wire.plugged ? 'Disconnect' : 'Reconnect'
  })
  return { people, client }

  /** A plain REST call as this pane's user. What it changes comes back over the stream, to every pane. */
  async function call(method, path, body) {
    try {
      const response = await fetch(`/api/${path}`, {
        method,
        headers: { 'X-User': user, ...(body && { 'Content-Type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      })
      const problem = response.ok
        ? ''
        : ((await response.json().catch(() => ({}))).error ?? 'That did not work.')
      showProblem(pane, problem)
      return response.ok
    } catch {
      showProblem(pane, 'The server cannot be reached.')
      return false
    }
  }
}

function showStatus(pane, status) {
  const text = STATUS[status] ?? status
  const line = pane.querySelector('.status-text')
  if (line.textContent !== text) line.textContent = text
  pane.dataset.status = status
}

function showProblem(pane, text) {
  const line = pane.querySelector('.problem')
  line.textContent = text
  line.hidden = text === ''
}

function addPersonForm(pane, call) {
  pane.querySelector('.people').after(document.querySelector('#add-person').content.cloneNode(true))
  const form = pane.querySelector('.add-person')
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const name = form.elements.name.value.trim()
    if (name && (await call('POST', 'people', { name }))) form.reset()
  })
}
