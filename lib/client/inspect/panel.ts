import { button, element, List } from '../../inspector/page/dom.ts'
import { clock } from '../../inspector/page/format.ts'
import { Rate } from '../../inspector/page/rate.ts'
import { counted } from '../../model/count.ts'
import { refuseUnknown } from '../../model/unknown.ts'
import type { ServerEvent } from '../../protocol/messages.ts'
import { describeEvent } from '../../words/event.ts'
import type { Client } from '../client.ts'

/** The time between two drawings of the panel, in milliseconds. */
const INTERVAL_MS = 500

/** Limits the events that the panel lists. */
const MAX_EVENTS = 50

const STYLE = `
:host { position: fixed; inset: auto 1rem 1rem auto; z-index: 2147483647; max-width: calc(100vw - 2rem) }
aside { font: 13px/1.4 system-ui, sans-serif; color: #e8eaed; background: #1f2023; border: 1px solid #5f6368;
  border-radius: .5rem; width: 24rem; max-width: 100%; box-shadow: 0 4px 16px #0006 }
header { display: flex; gap: .6rem; align-items: center; padding: .3rem .3rem .3rem .7rem }
[role=status] { margin-inline-end: auto } .ready { color: #81c995 } .refused, .reconnecting { color: #f28b82 }
button { font: inherit; color: inherit; background: #3c4043; border: 0; border-radius: .3rem;
  min-height: 1.9rem;
  padding: 0 .6rem; cursor: pointer }
button:focus-visible, .log:focus-visible { outline: 2px solid #8ab4f8; outline-offset: 1px }
dl { display: grid; grid-template-columns: 1fr auto; gap: .1rem .8rem; margin: 0; padding: 0 .7rem .4rem }
dt { overflow-wrap: anywhere } dd { margin: 0; font-variant-numeric: tabular-nums }
.log { margin: 0; padding: .2rem .7rem; list-style: none; max-height: 14rem; overflow: auto;
  border-top: 1px solid #5f6368 }
.log li { padding: .1rem 0; overflow-wrap: anywhere } time { color: #bdc1c6 }
`

/** Configures {@link inspect}. */
export interface InspectOptions {
  /** The element that the panel is added to. Default: the page's body. */
  parent?: Element
}

/**
 * Adds a small panel to the page with a client's status, its roots, its rate, and its last events in words.
 * The panel has a shadow root, so that the page's styles and its own do not mix. Returns a function that
 * removes the panel.
 *
 * @throws ParticleError `INVALID_OPTION` for an unknown option
 */
export function inspect<T>(client: Client<T>, options: InspectOptions = {}): () => void {
  refuseUnknown('inspect(client, options): option', options, ['parent'])
  const { parent = document.body } = options
  const state = element('span', { role: 'status' })
  const roots = element('dl')
  const log = new List('Last events of Particle', MAX_EVENTS)
  const body = element('div', {}, roots, log.node)
  const rate = new Rate()
  const waiting: string[] = []
  let operations = 0

  const take = (_documents: unknown, _event: ServerEvent, events: readonly ServerEvent[]) => {
    for (const { event, data } of events) operations += event === 'delta' ? data.oplist.length : 0
    const time = clock(new Date().toISOString())
    for (const event of events.slice(-MAX_EVENTS))
      waiting.push(...describeEvent(event).map((words) => `${time} ${words}`))
    waiting.splice(0, waiting.length - MAX_EVENTS)
  }
  const draw = () => {
    const perSecond = rate.add(operations, performance.now())
    state.textContent = `Particle: ${client.status}`
    state.className = client.status
    const figures = Object.entries(client.data).map(([root, documents]) => [
      root,
      counted(Array.isArray(documents) ? documents.length : 0, 'document'),
    ])
    figures.push(['rate', `${perSecond.toFixed(1)} operations/s`])
    roots.replaceChildren(
      ...figures.flatMap(([name = '', figure = '']) => [element('dt', {}, name), element('dd', {}, figure)]),
    )
    for (const words of waiting.splice(0)) log.add(words)
  }

  const fold = button('Hide', () => {
    body.hidden = !body.hidden
    fold.textContent = body.hidden ? 'Show' : 'Hide'
    fold.setAttribute('aria-expanded', String(!body.hidden))
  })
  fold.setAttribute('aria-expanded', 'true')
  const host = element('div')
  const remove = () => {
    clearInterval(timer)
    client.off('**', take)
    host.remove()
  }
  const header = element('header', {}, state, fold, button('Close', remove))
  const shadow = host.attachShadow({ mode: 'open' })
  // Adds the style as an object, which a content security policy allows without exception.
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(STYLE)
  shadow.adoptedStyleSheets = [sheet]
  shadow.append(element('aside', { 'aria-label': 'Particle' }, header, body))
  const timer = setInterval(draw, INTERVAL_MS)
  client.on('**', take)
  draw()
  parent.append(host)
  return remove
}
