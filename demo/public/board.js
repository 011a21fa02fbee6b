// The page of the sample application: two clients side by side, each with its own identity and status, and one drawer for both.

import { share } from '/particle/client/share.js'
import { Client } from '/particle/client.js'
import { Changes } from './changes.js'
import { Drawer } from './drawer.js'
import { People } from './people.js'
import { Rows } from './rows.js'
import { showSamples } from './samples.js'
import { Tabs } from './tabs.js'
import { Teams } from './teams.js'
import { deltaOf, Wire } from './wire.js'

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
new Rows(document.querySelector('.load'))
showSamples(document.querySelector('.samples'))

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

  const wire = new Wire(
    (name, data) => {
      if (name === 'delta') changes.add(user, deltaOf(data))
      else drawer.add(user, name, data)
    },
    compareLoads(pane.querySelector('.resume')),
  )
  const people = new People(pane.querySelector('.people'), { manages: isManager, rank, call })
  const teams = new Teams(pane.querySelector('.teams'), call)
  if (isManager) {
    addPersonForm(pane, call)
    addSwitch(pane, call)
  }

  // All that it takes to keep a model current. `fetch` is given only to show the wire, and to unplug it.
  // The sample begins.
  const client = new Client({
    url,
    identity: { user },
    share,
    onData: show,
    onStatus: (status) => showStatus(pane, status, wire.node),
    fetch: wire.fetch,
  })
  // The sample ends.
  showStatus(pane, client.status)

  pane.querySelector('.plug').addEventListener('click', ({ currentTarget: button }) => {
    wire.toggle()
    button.textContent = wire.plugged ? 'Cut the network' : 'Mend the network'
  })
  pane
    .querySelector('.kill')
    .addEventListener('click', () => fetch(`/nodes/${wire.node}`, { method: 'DELETE' }))
  return { people, client }

  function show(
    { people: documents = [], private: fields = [], teams: all = [], memberships = [] },
    _event,
    events,
  ) {
    showSharing(pane, wire.isOpen)
    // Another window reads the stream: here the events come without their bytes.
    if (!wire.isOpen) for (const { event, data } of events) if (event === 'delta') changes.add(user, data)
    people.show(withPrivate(documents, fields))
    if (isManager && documents.length > 0) showRight(pane, fields.length > 0)
    teams.show(all, memberships)
    pane.querySelector('.nobody').hidden = client.data.memberships?.length !== 0
    for (const { people } of panes) people.compare(panes.map(({ client }) => client.data.people ?? []))
  }

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

/** Compares each later start of a stream with the first, which loaded all. */
function compareLoads(element) {
  let full
  const count = (bytes) => `${bytes.toLocaleString('en')} bytes`
  return ({ isResumed, bytes }) => {
    if (!isResumed) full = bytes
    else if (full !== undefined) {
      element.querySelector('p').textContent = `Resumed with ${count(bytes)}. A full load was ${count(full)}.`
      element.querySelector('.share span').style.width = `${Math.min(100, (100 * bytes) / full)}%`
      element.hidden = false
    }
  }
}

/** Says that another window has the stream. Only that window can cut it. */
function showSharing(pane, isOpen) {
  pane.querySelector('.sharing').hidden = isOpen
  pane.querySelector('.plug').hidden = !isOpen
}

/** Says which of several nodes serves the stream. What each node keeps for itself, is left out of the page. */
function showNode(pane, node) {
  if (node) document.body.dataset.nodes = ''
  pane.querySelector('.node').hidden = node === ''
  pane.querySelector('.node span').textContent = `Node ${node} serves this stream.`
}

function showStatus(pane, status, node = '') {
  if (status === 'ready') showNode(pane, node)
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

/** Joins the private fields to the people that they are of. A view without the right to them has none. */
function withPrivate(people, fields) {
  const byId = new Map(fields.map((document) => [document._id, document]))
  return people.map((person) => ({ ...person, ...byId.get(person._id) }))
}

/** Shows the switch that takes the manager's right to private fields away, while the stream stays open. */
function addSwitch(pane, call) {
  pane.querySelector('.switch').hidden = false
  const box = pane.querySelector('.switch input')
  box.addEventListener('change', async () => {
    const granted = box.checked
    if (!(await call('PUT', 'rights/private', { granted }))) box.checked = !granted
  })
}

/** Shows whether the manager has the right, also where another window has switched it. */
function showRight(pane, granted) {
  pane.querySelector('.switch input').checked = granted
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
