// The code that makes the page, read from the files themselves: the lines between "sample" and "end of the sample".

const FILES = [
  'server.ts',
  'board.ts',
  'api.ts',
  'rows.ts',
  'nodes.ts',
  'stores/mongo.ts',
  'public/board.js',
  'public/people.js',
]

/** Fills the samples of a section, and lists its files. */
export function showSamples(section) {
  for (const sample of section.querySelectorAll('.sample')) show(sample)
  const list = section.querySelector('.files')
  for (const file of FILES) {
    const link = document.createElement('a')
    link.href = `/source/${file}`
    link.textContent = `demo/${file}`
    list.append(' ', link)
  }
}

async function show(sample) {
  const response = await fetch(`/source/${sample.dataset.file}`)
  if (!response.ok) return
  const found = /\/\/ The sample begins\.\n(.*?)\n *\/\/ The sample ends\./s.exec(await response.text())
  if (!found) return
  const indent = /^ */.exec(found[1])[0]
  sample.querySelector('code').textContent = found[1].replaceAll(`\n${indent}`, '\n').trimStart()
}
