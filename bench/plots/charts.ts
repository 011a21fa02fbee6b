import type { Figures } from '../scenario.ts'
import { digits } from '../statistics.ts'
import { bars, lines, type Panel } from './svg.ts'

/** One scenario's medians, by candidate, as `bench.json` has them too. */
export interface Shown {
  name: string
  title: string
  /** When it was measured. */
  date: string
  medians: Record<string, Figures>
}

/** A plot, and its result as a text for those who don't see it. */
export interface Plot {
  alt: string
  svg: string
}

const LABELS: Record<string, string> = {
  floor: 'bare http, one buffer',
  particle: 'Particle',
  'particle-http2': 'Particle over HTTP/2',
  'particle-gzip': 'Particle, compressed',
  'better-sse': 'better-sse',
  'socket.io': 'Socket.IO',
  'socket.io-deflate': 'Socket.IO, compressed',
  ws: 'ws',
  express: 'bare Express',
  mercure: 'Mercure',
  centrifugo: 'Centrifugo',
  pocketbase: 'PocketBase',
  '@tanstack/db': 'TanStack DB',
  rxdb: 'RxDB',
}

const labelOf = (name: string) => LABELS[name] ?? name
const isOurs = (name: string) => name.startsWith('particle')

/** Draws all plots of the figures, by the name of the file. */
export function plots(shown: readonly Shown[]): Record<string, Plot> {
  const find = (name: string) => {
    const found = shown.find((each) => each.name === name)
    if (!found)
      throw new Error(
        `The figures lack the scenario ${name}: give the JSON of its run to npm run bench:plots`,
      )
    return found
  }
  return {
    'bench-delivery': barsOf('CPU time of a delivery to one of 1,000 clients', find('delivery'), {
      one: ['One delta a turn', 'µs'],
      ten: ['Ten deltas a turn', 'µs a delta'],
    }),
    'bench-deltas': barsOf(
      'Ten changes a turn to 200 clients, with and without compression',
      find('deltas'),
      {
        tenBytes: ['Bytes that travel', 'a delta'],
        tenCpu: ['CPU time of the server', 'µs a delta'],
      },
    ),
    'bench-memory': barsOf('Memory of an idle client, of 10,000', find('memory'), {
      rss: ['Resident', 'KB'],
    }),
    'bench-lists': listsOf(shown.filter(({ name }) => name === 'lists')),
  }
}

function barsOf(title: string, { medians }: Shown, columns: Record<string, [string, string]>): Plot {
  const panels: Panel[] = Object.entries(columns).map(([column, [what, unit]]) => ({
    title: `${what} (${unit})`,
    bars: Object.entries(medians)
      .map(([name, figures]) => ({
        label: labelOf(name),
        value: figures[column] ?? Number.NaN,
        isOurs: isOurs(name),
      }))
      .sort((a, b) => a.value - b.value),
  }))
  const results = panels.map(
    ({ title, bars }) =>
      `${title}: ${bars.map(({ label, value }) => `${label} ${digits(value)}`).join(', ')}.`,
  )
  const alt = `${title}. ${results.join(' ')}`
  return { alt, svg: bars(alt, title, panels) }
}

/** Draws what a move costs, by the number of documents. */
function listsOf(shown: readonly Shown[]): Plot {
  const names = [...new Set(shown.flatMap(({ medians }) => Object.keys(medians)))]
  const drawn = names.map((name) => ({
    label: labelOf(name),
    isOurs: isOurs(name),
    points: shown.flatMap(({ title, medians }) => {
      const move = medians[name]?.move
      return move === undefined
        ? []
        : [[Number(/[\d,]+/.exec(title)?.[0].replaceAll(',', '')), move] as const]
    }),
  }))
  const results = drawn.map(({ label, points }) => {
    const [[from, low] = [0, 0], [to, high] = [0, 0]] = [points[0], points.at(-1)]
    const documents = `${from.toLocaleString('en')} to ${to.toLocaleString('en')} documents`
    return `${label} ${digits(low)} to ${digits(high)} µs (${documents})`
  })
  const alt = `A document moves in a sorted list. Median time until the library has applied it: ${results.join(', ')}.`
  return { alt, svg: lines(alt, 'documents in the list', 'A move in a sorted list (µs, median)', drawn) }
}
