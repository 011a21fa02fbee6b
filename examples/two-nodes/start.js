// Starts without docker what compose.yaml starts with it: Redis, two nodes and nginx, from the PATH.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const port = Number(process.env.PORT ?? 3000)
const folder = mkdtempSync(join(tmpdir(), 'two-nodes-'))
const programs = []

function start(name, command, args, env = {}) {
  const program = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  programs.push(program)
  console.log(`${name} is the process ${program.pid}`)
}

let { REDIS_URL } = process.env
if (REDIS_URL === undefined) {
  REDIS_URL = `redis://127.0.0.1:${port + 3}`
  start('redis', 'redis-server', ['--port', `${port + 3}`, '--save', '', '--dir', folder])
}

start('node1', 'node', ['server.js'], { NODE_NAME: 'node1', PORT: port + 1, REDIS_URL })
start('node2', 'node', ['server.js'], { NODE_NAME: 'node2', PORT: port + 2, REDIS_URL })

const site = readFileSync('nginx.conf', 'utf8')
  .replace('node1:3000', `127.0.0.1:${port + 1}`)
  .replace('node2:3000', `127.0.0.1:${port + 2}`)
  .replace('listen 80', `listen ${port}`)
const configuration = join(folder, 'nginx.conf')
writeFileSync(
  configuration,
  `daemon off; pid ${folder}/pid; error_log stderr crit; events {} http { access_log off; ${site} }`,
)
start('nginx', 'nginx', ['-p', folder, '-c', configuration])
console.log(`Open http://localhost:${port}`)

for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    for (const program of programs) program.kill()
  })
