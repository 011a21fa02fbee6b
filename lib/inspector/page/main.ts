import type { Figures, InspectorEvents, SourceFigures, StreamFigures } from '../messages.ts'
import { button, element, List, Table } from './dom.ts'
import { bytes, clock, duration } from './format.ts'
import { Rate } from './rate.ts'

/** Limits the entries of a list. */
const MAX_ENTRIES = 300

const state = element('span', { role: 'status', class: 'soft' }, 'connecting')
const numbers = element('dl')
const tiles = new Map<string, HTMLElement>()
const sources = new Table<SourceFigures>('Sources', ({ name }) => name, {
  source: ({ name }) => name,
  state: (source) => source.state,
  views: ({ views }) => String(views),
  'last change': ({ changedAt }) => (changedAt ? clock(changedAt) : '–'),
  lag: ({ lag }) => (lag === undefined ? '–' : duration(lag)),
})
const roots = new Table<Figures['roots'][number]>('Roots', ({ root }) => root, {
  root: ({ root }) => root,
  views: ({ views }) => String(views),
  connections: ({ connections }) => String(connections),
  loading: ({ loading }) => String(loading),
  documents: ({ documents }) => String(documents),
})
const views = new Table<Figures['shown'][number]>('Views', ({ view, root }) => `${root} ${view}`, {
  root: ({ root }) => root,
  view: ({ view }) => view,
  subscribers: ({ viewers }) => String(viewers),
  documents: ({ documents }) => String(documents),
})
const connections = new Table<StreamFigures>('Connections', ({ stream }) => String(stream), {
  stream: ({ stream }) => String(stream),
  identity: ({ identity }) => identity ?? 'everyone',
  session: ({ session }) => session ?? '–',
  roots: (stream) => stream.roots.join(', '),
  state: (stream) => stream.state,
  buffered: ({ buffered }) => bytes(buffered),
  age: ({ age }) => duration(age),
  tail: ({ stream }) => tailButton(stream),
})
const found = element('span', { class: 'soft' })
const find = element('input', { type: 'search', id: 'find', autocomplete: 'off' })
const tailState = element('p', { class: 'soft', role: 'status' }, 'Choose “Tail” beside a connection.')
const tail = new List('Events of the connection', MAX_ENTRIES)
const steps = new List('Steps of the server', MAX_ENTRIES)
const hold = button('Pause', () => {
  isHeld = !isHeld
  hold.setAttribute('aria-pressed', String(isHeld))
})

const rates = { changes: new Rate(), events: new Rate(), bytes: new Rate() }
hold.setAttribute('aria-pressed', 'false')
let tailed: number | undefined
let isHeld = false
let totals = { events: 0, bytes: 0 }
let events: EventSource | undefined

function tailButton(stream: number): HTMLButtonElement {
  const made = button('Tail', () => {
    for (const other of document.querySelectorAll('[data-tail]')) other.setAttribute('aria-pressed', 'false')
    tailed = tailed === stream ? undefined : stream
    made.setAttribute('aria-pressed', String(tailed === stream))
    tail.clear()
    totals = { events: 0, bytes: 0 }
    Object.assign(rates, { events: new Rate(), bytes: new Rate() })
    connect()
  })
  made.dataset.tail = String(stream)
  made.setAttribute('aria-label', `Tail stream ${stream}`)
  made.setAttribute('aria-pressed', String(tailed === stream))
  return made
}

/** Opens the page's stream, with the page's own query, since a guard may read a key there. */
function connect(): void {
  events?.close()
  const url = new URL(`${location.pathname}/events${location.search}`, location.origin)
  if (tailed !== undefined) url.searchParams.set('tail', String(tailed))
  if (find.value) url.searchParams.set('find', find.value)
  const source = new EventSource(url)
  events = source
  const on = <N extends keyof InspectorEvents>(name: N, take: (data: InspectorEvents[N]) => void) =>
    source.addEventListener(name, ({ data }: MessageEvent<string>) => take(JSON.parse(data)))
  source.addEventListener('open', () => setState('live', 'good'))
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) setState('refused: load the page again', 'bad')
    else setState('reconnecting: events may be missing', 'bad')
  })
  on('figures', showFigures)
  on('tail', showTail)
  on('step', ({ time, name, message }) => steps.add(timeOf(time), ' ', element('b', {}, name), ` ${message}`))
  on('skipped', (data) => tail.add(element('span', { class: 'bad' }, `Events left out: ${data.events}`)))
}

function setState(text: string, kind: string): void {
  state.textContent = text
  state.className = kind
}

function showFigures(figures: Figures): void {
  const now = performance.now()
  const { log } = figures
  tile('connections', String(figures.connections))
  tile('views', String(figures.views))
  tile('changes/s', rates.changes.add(figures.changes, now).toFixed(1))
  tile('unsent bytes', bytes(figures.buffered))
  tile('log: changes', String(log.changes))
  tile('log: bytes', `${bytes(log.bytes)} of ${bytes(log.maxBytes)}`)
  tile('log: reaches back', `${duration(log.age)} of ${duration(log.maxAge)}`)
  sources.show(figures.sources)
  roots.show(figures.roots)
  views.show(figures.shown)
  connections.show(figures.streams)
  const left = figures.found - figures.streams.length
  found.textContent = `${figures.found} found${left > 0 ? `, ${left} not shown` : ''}`
  if (tailed === undefined) tailState.textContent = 'Choose “Tail” beside a connection.'
  else {
    const rate = `${rates.events.add(totals.events, now).toFixed(1)} events/s`
    const amount = bytes(Math.round(rates.bytes.add(totals.bytes, now)))
    tailState.textContent = `Stream ${tailed}: ${rate}, ${amount}/s`
  }
}

function showTail({ time, event, words, bytes: size, data }: InspectorEvents['tail']): void {
  totals.events++
  totals.bytes += size
  if (isHeld) return
  const lines = words.map((text) => element('div', {}, text))
  const whole = data === undefined ? [] : [details(data)]
  const title = element('span', { class: 'soft' }, ` ${bytes(size)}`)
  tail.add(timeOf(time), ' ', element('b', {}, event), title, ...lines, ...whole)
}

function details(data: string): HTMLElement {
  return element('details', {}, element('summary', {}, 'data'), element('pre', {}, data))
}

function timeOf(iso: string): HTMLElement {
  return element('time', { datetime: iso }, clock(iso))
}

function tile(name: string, value: string): void {
  let shown = tiles.get(name)
  if (!shown) {
    shown = element('dd')
    tiles.set(name, shown)
    numbers.append(element('div', {}, element('dt', {}, name), shown))
  }
  if (shown.textContent !== value) shown.textContent = value
}

let waiting: ReturnType<typeof setTimeout> | undefined
find.addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(connect, 250)
})
const title = (text: string) => element('h2', {}, text)
const label = element('label', { for: 'find' }, 'Find a stream, session, identity or root')
document.body.append(
  element('header', {}, element('h1', {}, 'Particle inspector'), state),
  element(
    'main',
    {},
    numbers,
    ...[title('Sources'), sources.node, title('Roots'), roots.node, title('Views'), views.node],
    ...[title('Connections'), element('div', { class: 'bar' }, label, find, found), connections.node],
    ...[title('Tail'), element('div', { class: 'bar' }, tailState, hold), tail.node],
    ...[title('Steps'), steps.node],
  ),
)
connect()
