import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificate } from '../certificate.ts'
import { startNginx } from '../nginx.ts'
import { freePort } from '../process.ts'

/** An nginx that serves TLS by a certificate of its own making, or the reason why there is none. */
export async function startSecureNginx(
  server: (port: number) => string,
): Promise<{ url: string; stop(): Promise<void> } | { missing: string }> {
  const made = certificate()
  if (made === undefined) return { missing: 'There is no openssl on the PATH.' }
  const folder = await mkdtemp(join(tmpdir(), 'particle-nginx-tls-'))
  const clean = () => rm(folder, { recursive: true, force: true })
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  await writeFile(key, made.key)
  await writeFile(cert, made.cert)
  const port = await freePort()
  const tls = `ssl_certificate ${cert}; ssl_certificate_key ${key};`
  const started = await startNginx(`${tls}\n${server(port)}`, port)
  if ('missing' in started) {
    await clean()
    return started
  }
  const stop = () => started.stop().then(clean)
  return { url: `https://127.0.0.1:${port}/`, stop }
}
