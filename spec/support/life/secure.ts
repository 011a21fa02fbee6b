import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNginx } from '../nginx.ts'
import { freePort } from '../process.ts'

/** An nginx that serves TLS by a certificate of its own making, or the reason why there is none. */
export async function startSecureNginx(
  server: (port: number) => string,
): Promise<{ url: string; stop(): Promise<void> } | { missing: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'particle-tls-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const names = ['-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=127.0.0.1']
  const clean = () => rm(folder, { recursive: true, force: true })
  try {
    execFileSync('openssl', [...request, ...names], { stdio: 'ignore' })
  } catch (error) {
    await clean()
    if (process.env.CI) throw new Error('There is no openssl on the PATH, and CI needs one', { cause: error })
    return { missing: 'There is no openssl on the PATH.' }
  }
  const port = await freePort()
  const tls = `ssl_certificate ${certificate}; ssl_certificate_key ${key};`
  const started = await startNginx(`${tls}\n${server(port)}`, port)
  if ('missing' in started) {
    await clean()
    return started
  }
  const stop = () => started.stop().then(clean)
  return { url: `https://127.0.0.1:${port}/`, stop }
}
