import ejs from 'ejs'

/** What a page of the site is made of. */
interface PageData {
  /** Who is logged in, or an empty text. */
  user: string
  /** The path that links begin with. */
  base: string
  number: number
}

/**
 * Renders an ordinary page of the site by EJS: links to the others, a form, and the notes of the user, which
 * the script shows.
 */
export const PAGE: (data: PageData) => string = ejs.compile(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Notes, page <%= number %></title>
<body data-user="<%= user %>">
<h1>Page <%= number %></h1>
<nav><% for (let page = 1; page <= 12; page++) { %><a href="<%= base %>/pages/<%= page %>"><%= page %></a> <% } %></nav>
<% if (user) { %>
<form method="post" action="<%= base %>/logout"><button>Log out</button></form>
<p>Hello <b id="user"><%= user %></b>, the notes are <span id="status">not asked for</span>.</p>
<ul id="notes"></ul>
<ol id="errors"></ol>
<script type="module" src="<%= base %>/app.js"></script>
<% } else { %>
<form method="post" action="<%= base %>/login">
<input name="name" aria-label="Name"><input name="password" type="password" aria-label="Password"><button>Log in</button>
</form>
<% } %>
</body>
</html>
`)

/**
 * The page's script, as README has it: it shows the notes, the status and all errors; `client` and `owners`
 * are for the specs.
 * `options` is the text of an object for `new Client()`, `from` is where the script has the client from.
 */
export const script = (base: string, options = '{}', from = `${base}/particle/client.js`): string => `
import { Client } from '${from}'
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text })
const show = () => {
  const notes = client.data.notes ?? []
  window.calls++
  for (const { owner } of notes) window.owners.add(owner)
  document.querySelector('#notes').replaceChildren(...notes.map(({ text }) => element('li', text)))
}
window.owners = new Set()
window.calls = 0
const client = window.client = new Client({
  url: '${base}/particle',
  onData: show,
  onStatus: (status) => { document.querySelector('#status').textContent = status },
  onError: (error) => document.querySelector('#errors').append(element('li', error.message)),
  ...${options},
})
`

/** The elements that the script fills, of a page for one user. */
export const ELEMENTS =
  '<b id="user">ann</b><span id="status"></span><ul id="notes"></ul><ol id="errors"></ol>'

/** A page of one user's notes, whose server is at `base`. */
export const widget = (base: string, options?: string): string =>
  `<!doctype html>${ELEMENTS}<script type="module">${script(base, options)}</script>`
