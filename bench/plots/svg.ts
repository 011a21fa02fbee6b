/** Draws the two kinds of plots as SVG, 720 wide, light or dark as the reader's system is. */

import { digits } from '../statistics.ts'

export interface Bar {
  label: string
  value: number
  /** Whether the bar is Particle's. */
  isOurs: boolean
}

export interface Panel {
  title: string
  bars: readonly Bar[]
}

export interface Line {
  label: string
  isOurs: boolean
  /** Pairs of x and y, both above zero. */
  points: readonly (readonly [number, number])[]
}

const WIDTH = 720
const LINE_HEIGHT = 24
const LABEL_WIDTH = 200
/** The space for the figure behind a bar. */
const FIGURE_WIDTH = 80

/**
 * Blue against grey: the pair differs by lightness too, so that everyone can tell one from the other. A
 * background of its own keeps the text readable on a page that is dark where the system is light.
 */
const STYLE = `
  .page { fill: #ffffff } text { fill: #1f2328 } .quiet { fill: #59636e } .grid { stroke: #d1d9e0 }
  .ours { fill: #0072b2 } .other { fill: #9aa4ae } .ours-line { stroke: #0072b2 } .other-line { stroke: #6e7781 }
  .ours-dot { fill: #0072b2 } .other-dot { fill: #6e7781 }
  text { font: 14px system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif } .head { font-weight: 600 }
  polyline { fill: none; stroke-width: 2.5 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #1b1b1f } text { fill: #e6edf3 } .quiet { fill: #9aa4ae } .grid { stroke: #3d444d }
    .ours { fill: #56b4e9 } .other { fill: #6e7781 } .ours-line { stroke: #56b4e9 } .other-line { stroke: #9aa4ae }
    .ours-dot { fill: #56b4e9 } .other-dot { fill: #9aa4ae }
  }
`

/** Draws panels of bars below each other. Each panel has a scale of its own, from zero. */
export function bars(alt: string, heading: string, panels: readonly Panel[]): string {
  let y = 30
  const rows = panels.flatMap(({ title, bars }) => {
    const largest = Math.max(...bars.map(({ value }) => value))
    const scale = (WIDTH - LABEL_WIDTH - FIGURE_WIDTH) / largest
    y += 34
    const head = text(16, y - 8, title, 'quiet')
    const drawn = bars.flatMap(({ label, value, isOurs }) => {
      const length = round(value * scale)
      const middle = y + 16
      const bar = `<rect class="${isOurs ? 'ours' : 'other'}" x="${LABEL_WIDTH}" y="${y + 3}" width="${length}" height="${LINE_HEIGHT - 6}" rx="2"/>`
      y += LINE_HEIGHT
      return [
        text(LABEL_WIDTH - 10, middle, label, isOurs ? 'head' : '', 'end'),
        bar,
        text(LABEL_WIDTH + length + 8, middle, digits(value), isOurs ? 'head' : 'quiet'),
      ]
    })
    return [head, ...drawn]
  })
  return page(alt, y + 14, [text(16, 26, heading, 'head'), ...rows])
}

/** Draws lines on two logarithmic scales, each with its name at its end. */
export function lines(alt: string, xTitle: string, yTitle: string, drawn: readonly Line[]): string {
  const [left, right, top, bottom] = [92, WIDTH - 140, 48, 340]
  const all = drawn.flatMap(({ points }) => points)
  const range = (index: 0 | 1) => {
    const exponents = all.map((point) => Math.log10(point[index]))
    return [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))] as const
  }
  const [xRange, yRange] = [range(0), range(1)]
  const place = (value: number, [from, to]: readonly [number, number], start: number, end: number) =>
    round(start + ((Math.log10(value) - from) / (to - from)) * (end - start))
  const xOf = (value: number) => place(value, xRange, left, right)
  const yOf = (value: number) => place(value, yRange, bottom, top)
  const powers = ([from, to]: readonly [number, number]) =>
    Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index))
  const grid = powers(yRange).flatMap((value) => [
    `<line class="grid" x1="${left}" x2="${right}" y1="${yOf(value)}" y2="${yOf(value)}"/>`,
    text(left - 10, yOf(value) + 5, value.toLocaleString('en'), 'quiet', 'end'),
  ])
  const columns = powers(xRange).map((value) =>
    text(xOf(value), bottom + 24, value.toLocaleString('en'), 'quiet', 'middle'),
  )
  const curves = drawn.flatMap(({ label, isOurs, points }) => {
    const places = points.map(([x, y]) => [xOf(x), yOf(y)] as const)
    const [x, y] = places.at(-1) ?? [0, 0]
    const side = isOurs ? 'ours' : 'other'
    return [
      `<polyline class="${side}-line" points="${places.map((each) => each.join(',')).join(' ')}"/>`,
      ...places.map(([cx, cy]) => `<circle class="${side}-dot" cx="${cx}" cy="${cy}" r="4.5"/>`),
      text(x + 12, y + 5, label, isOurs ? 'head' : ''),
    ]
  })
  const titles = [text(16, 24, yTitle, 'head'), text((left + right) / 2, bottom + 48, xTitle, '', 'middle')]
  return page(alt, bottom + 64, [...titles, ...grid, ...columns, ...curves])
}

function page(alt: string, height: number, parts: readonly string[]): string {
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">`,
    `<title>${escapeText(alt)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, content: string, style: string, anchor = 'start'): string {
  const kind = style === '' ? '' : ` class="${style}"`
  return `<text x="${round(x)}" y="${round(y)}"${kind}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escapeText(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeText(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
