import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOrInstall } from './debian.ts'
import { startProgram } from './process.ts'

const GUIDE = join(import.meta.dirname, '..', '..', 'docs', 'guides', 'nodes.md')

/** Reads the configuration of docs/guides/nodes.md, for these nodes and a port of this machine. */
export async function guideConfiguration(nodes: readonly number[], port: number): Promise<string> {
  const guide = await readFile(GUIDE, 'utf8')
  return (/```nginx\n([\s\S]*?)```/.exec(guide)?.[1] ?? '')
    .replace(/server 127\.0\.0\.1:3002 .*\n/, '')
    .replace(/server 127\.0\.0\.1:3001 (.*)/, (_, options) =>
      nodes.map((node) => `server 127.0.0.1:${node} ${options}`).join('\n  '),
    )
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
}

/**
 * An nginx that serves a configuration of an `http` block: the one on the PATH, else Debian's, which it
 * installs where it may. Where there is
 * none it gives the reason instead, for a spec to skip with; in CI (`CI` is set) it throws.
 */
export async function startNginx(
  configuration: string,
  port: number,
): Promise<{ stop(): Promise<void> } | { missing: string }> {
  const command = findOrInstall(['nginx'], 'nginx-light')
  if (command === undefined) {
    const missing = 'There is no nginx: install the package nginx-light.'
    if (process.env.CI) throw new Error(missing)
    return { missing }
  }
  const folder = await mkdtemp(join(tmpdir(), 'particle-nginx-'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  )
  const root = process.getuid?.() === 0 ? 'user root;' : ''
  await writeFile(
    join(folder, 'nginx.conf'),
    `${root}
    daemon off;
    worker_processes 1;
    pid ${join(folder, 'pid')};
    error_log ${join(folder, 'error.log')};
    events {}
    http { access_log off; ${temporary.join(' ')}
    ${configuration} }`,
  )
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]
  const program = startProgram(command, args)
  const stop = async () => {
    await program.stop('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(port)) return { stop }
    if (program.child.exitCode !== null) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const output = program.output()
  await stop()
  throw new Error(`nginx does not serve: ${output}`)
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
