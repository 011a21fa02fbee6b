import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, watch } from 'node:fs'
import { chmod, mkdir, readdir, rmdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { HostSharing, type HostSource } from '../../../lib/source/host/index.ts'
import { type MemoryAdapter, memory } from '../../../lib/source/memory/index.ts'
import type {
  Change,
  ChangeListener,
  HostRole,
  ReportedChange,
  Subscription,
} from '../../../lib/source/source.ts'
import { socketFolder } from '../../support/host.ts'
import { until } from '../../support/local.ts'

/** How long a process that says nothing is waited for, and some more. */
const PATIENCE = 15_000

/** What one process of a host hears, and how many streams of its own it has open. */
class Process implements ChangeListener {
  readonly seen: Change[] = []
  readonly losses: string[] = []
  readonly errors: unknown[] = []
  readonly roles: string[] = []
  streams = 0
  key = 'people'
  /** The source fails once before it opens. */
  isAway = false
  progressed = 0
  position = ''
  readonly sharing: HostSharing
  subscription: Subscription | undefined
  #fail: ((error: unknown) => void) | undefined

  constructor(store: MemoryAdapter, folder: string) {
    const source: HostSource = {
      key: () => this.key,
      open: async (listener, from) => {
        if (this.isAway) listener.error(new Error('The store is away'))
        const { close, ...rest } = await store.open(listener, from)
        this.streams++
        this.#fail = listener.error
        let isOpen = true
        const end = async () => {
          if (isOpen) this.streams--
          isOpen = false
          await close()
        }
        return { ...rest, close: end }
      },
      compare: (a, b) => store.compare(a, b),
    }
    this.sharing = new HostSharing(source, folder)
  }

  changes(changes: readonly Change[], position: string): void {
    this.seen.push(...changes)
    this.position = position
  }

  progress(position: string): void {
    this.position = position
    this.progressed++
  }

  lost(reason: string): void {
    this.losses.push(reason)
  }

  error(error: unknown): void {
    this.errors.push(error)
  }

  role(role: HostRole, reason: string): void {
    this.roles.push(`${role}: ${reason}`)
  }

  /** The source of this process fails. */
  fail(error: unknown): void {
    this.#fail?.(error)
  }
}

describe('Following once per host', function () {
  this.timeout(60_000)
  let store: MemoryAdapter
  let sockets: Awaited<ReturnType<typeof socketFolder>>
  const processes: Process[] = []
  const others: (Server | Socket)[] = []

  beforeEach(async () => {
    store = memory({ history: 100_000 })
    sockets = await socketFolder()
  })

  afterEach(async () => {
    await Promise.all(processes.splice(0).map(({ subscription }) => subscription?.close()))
    for (const other of others.splice(0)) 'destroy' in other ? other.destroy() : other.close()
    await sockets.remove()
  })

  const start = async (folder = sockets.folder, from?: string): Promise<Process> => {
    const process = new Process(store, folder)
    processes.push(process)
    process.subscription = await process.sharing.open(process, from)
    return process
  }
  const leaders = () => processes.filter(({ streams }) => streams > 0)
  const isShared = () => leaders().length === 1
  const people = () => store.collection<{ _id: number; n?: number; text?: string }>('people')
  const idsOf = ({ seen }: Process) => seen.map((change) => ('id' in change ? change.id : undefined))
  /** The path of the socket, once a process leads. */
  const place = async () => {
    const found = () => readdirSync(sockets.folder)
    await until(() => found().length === 1 && !found()[0]?.includes('.'), 'a process leads')
    return join(sockets.folder, found()[0] ?? '')
  }

  it('gives each process every change once, in order, while processes come and go', async () => {
    let id = 0
    const write = async () => void (await people().insertOne({ _id: id++ }))
    const first = await start()
    for (let round = 0; round < 8; round++) {
      for (let count = 0; count < 20; count++) await write()
      await start()
      for (let count = 0; count < 20; count++) await write()
      if (round % 2 === 0) continue
      // The one that leads closes, in the midst of the writes.
      await until(isShared, 'one leads')
      const [leader] = leaders().filter((one) => one !== first)
      const gone = leader ?? processes.at(-1)
      processes.splice(processes.indexOf(gone as Process), 1)
      await Promise.all([gone?.subscription?.close(), write(), write()])
    }
    const all = Array.from({ length: id }, (_, index) => index)
    await until(() => processes.every((one) => idsOf(one).at(-1) === id - 1), 'all have come', PATIENCE)
    await until(isShared, 'one leads')
    for (const one of processes) {
      const ids = idsOf(one)
      expect(ids).to.deep.equal(all.slice(-ids.length))
      expect(one.losses).to.deep.equal([])
      expect(one.errors).to.deep.equal([])
    }
    expect(idsOf(first)).to.deep.equal(all)
  })

  it('gives changes as they were: whole documents, operations, what was there before', async () => {
    const leader = await start()
    const follower = await start()
    await until(isShared, 'one leads')
    await people().insertOne({ _id: 1, n: 0, text: '\ud800 "\n\u2028' })
    await people().updateOne({ _id: 1 }, { $inc: { n: 1 }, $set: { 'a.b': [1, { c: null }] } } as never)
    await people().replaceOne({ _id: 1 }, { n: 5 })
    await people().deleteOne({ _id: 1 })
    await people().drop()
    await until(() => follower.seen.length === leader.seen.length && leader.seen.length >= 4, 'all have come')
    expect(follower.seen).to.deep.equal(JSON.parse(JSON.stringify(leader.seen)))
  })

  it('leaves changes encoded that nobody in a process is shown', async () => {
    await start()
    await place()
    const follower = new Process(store, sockets.folder)
    processes.push(follower)
    const encoded: ReportedChange[] = []
    const isShown = (collection: string) => collection === 'people'
    const changes = (all: readonly ReportedChange[]) => void encoded.push(...all)
    const listener = { changes: () => {}, progress: () => {}, lost: () => {}, error: () => {} }
    follower.subscription = await follower.sharing.open({ ...listener, encoded: { isShown, changes } })
    await until(isShared, 'one leads')
    await people().insertOne({ _id: 1 })
    await store.collection<{ _id: number }>('others').insertOne({ _id: 2 })
    await until(() => encoded.length === 2, 'the changes have come')
    const [shown, unseen] = encoded
    expect(shown).to.include({ kind: 'insert', id: 1 })
    expect(unseen).to.include({ kind: 'encoded', collection: 'others' })
    const decoded = unseen?.kind === 'encoded' ? unseen.decode() : []
    expect(decoded.map(({ kind, position }) => [kind, position])).to.deep.equal([
      ['insert', unseen?.position],
    ])
  })

  it('tells all processes that the source fails', async () => {
    await start()
    await start()
    await until(isShared, 'one leads')
    const [leader, follower] = [...processes].sort((a, b) => b.streams - a.streams)
    leader?.fail(new ParticleError('SOURCE_FAILED', 'The store is away'))
    await until(() => follower?.errors.length === 1, 'the error has come')
    expect(follower?.errors[0]).to.be.instanceOf(ParticleError).with.property('code', 'SOURCE_FAILED')
    expect(leader?.errors.map(String)).to.deep.equal(follower?.errors.map(String))
  })

  it('says that the source answers again, where it failed while another process took the lead', async () => {
    const leader = await start()
    await place()
    const others = [await start(), await start()]
    await until(isShared, 'one leads')
    for (const other of others) other.isAway = true
    await leader.subscription?.close()
    await until(isShared, 'another one leads')
    const failed = () => others.filter(({ errors }) => errors.length > 0)
    await until(() => failed().length > 0 && failed().every(({ progressed }) => progressed > 0), 'it answers')
    expect(others.flatMap(({ losses }) => losses)).to.deep.equal([])
  })

  it('gives the lead to a process that can read, where the stream of the leader fails on and on', async () => {
    const first = await start()
    await place()
    const second = await start()
    await until(() => isShared() && first.streams === 1, 'the first leads')
    first.fail(new ParticleError('SOURCE_FAILED', 'The password has expired'))
    await until(
      () => second.roles.at(-1) === 'leader: no other process did',
      'the second leads',
      PATIENCE * 2,
    )
    expect([first.streams, second.streams]).to.deep.equal([1, 1])
    await people().insertOne({ _id: 1 })
    await until(() => isShared() && second.streams === 1, 'the first follows', PATIENCE)
    await people().insertOne({ _id: 2 })
    await until(() => processes.every((one) => idsOf(one).length === 2), 'the changes have come')
    expect(first.roles.slice(1)).to.deep.equal([
      'leader: no other process did',
      'own: its stream fails',
      'follower: another process leads',
    ])
    expect(second.roles.slice(1, 3)).to.deep.equal([
      'follower: another process leads',
      'own: the leader has ended or closed the link',
    ])
  })

  it('says once that no socket can be made in the folder, and leads as soon as one can', async () => {
    const before = await start()
    const path = await place()
    await before.subscription?.close()
    processes.splice(0)
    await mkdir(path)
    const names = new Set<string | null>()
    const watcher = watch(sockets.folder, (_event, name) => void names.add(name))
    const process = await start()
    await until(() => names.size > 3, 'several attempts', PATIENCE)
    watcher.close()
    expect(process.roles).to.deep.equal(['own: it has just opened the source'])
    await rmdir(path)
    await until(() => process.roles.length === 2, 'it leads', PATIENCE)
    expect(process.roles[1]).to.equal('leader: no other process did')
    expect(process.errors).to.have.length(1)
    expect(process.errors[0]).to.be.instanceOf(ParticleError).with.property('code', 'MISCONFIGURED')
    expect(String(process.errors[0])).to.contain('no socket can be made in it (EISDIR)')
    expect(await readdir(sockets.folder)).to.have.length(1)
  })

  it('gives up a process that reads nothing, and keeps little for it', async () => {
    const leader = await start()
    const reader = connect(await place())
    others.push(reader)
    await once(reader, 'data')
    reader.pause()
    let isClosed = false
    reader.once('close', () => {
      isClosed = true
    })
    const text = 'x'.repeat(1_000_000)
    for (let id = 0; id < 40; id++) await people().insertOne({ _id: id, text })
    expect(leader.seen.length).to.equal(40)
    reader.resume()
    await until(() => isClosed, 'the reader is given up', PATIENCE)
    expect(reader.bytesRead).to.be.lessThan(25_000_000)
  })

  it('takes the place of a process that has died without a word', async () => {
    const first = await start()
    const path = await place()
    await first.subscription?.close()
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log())`
    const dead = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(dead.stdout, 'data')
    dead.kill('SIGKILL')
    await once(dead, 'exit')
    expect((await readdir(sockets.folder)).length).to.equal(1)
    await start()
    await start()
    await until(() => leaders().length === 1, 'one leads')
  })

  for (const [what, say] of [
    ['says nothing', () => {}],
    ['talks nonsense', (socket: Socket) => socket.end('nonsense\n')],
  ] as const)
    it(`goes on by itself beside a process that holds the socket and ${what}`, async () => {
      const first = await start()
      const path = await place()
      await first.subscription?.close()
      const server = createServer(say).listen(path)
      server.on('connection', (socket) => others.push(socket.on('error', () => {})))
      others.push(server)
      await once(server, 'listening')
      const second = await start()
      await people().insertOne({ _id: 1 })
      await until(() => idsOf(second).length === 1, 'the change has come')
      if (what !== 'says nothing') return
      await start()
      await until(isShared, 'another process leads', PATIENCE)
      expect(idsOf(second)).to.deep.equal([1])
    })

  it('does not share what it is not sure to be the same: another key, another folder', async () => {
    const one = new Process(store, sockets.folder)
    const two = new Process(store, sockets.folder)
    two.key = 'others'
    processes.push(one, two)
    for (const process of processes) process.subscription = await process.sharing.open(process)
    const place = await socketFolder()
    await start(place.folder)
    await until(() => processes.every(({ streams }) => streams === 1), 'each has its stream')
    // What they follow becomes the same in the course of time.
    two.key = 'people'
    two.sharing.renew()
    await until(() => leaders().length === 2, 'two share', PATIENCE)
    await people().insertOne({ _id: 1 })
    await until(() => processes.every((process) => idsOf(process).length === 1), 'the change has come')
    await place.remove()
  })

  it('follows by itself, and says once why, where the folder is not for this user alone', async () => {
    await chmod(sockets.folder, 0o755)
    const link = `${sockets.folder}-link`
    await symlink(sockets.folder, link)
    const file = join(sockets.folder, 'file')
    await writeFile(file, '')
    const long = join(sockets.folder, 'x'.repeat(100))
    for (const [folder, why] of [
      [sockets.folder, 'others may enter it: give it the mode 0700'],
      [link, 'it is a link: give the path of the folder itself'],
      [long, 'its path is too long for a socket'],
      [join(file, 'folder'), 'ENOTDIR'],
    ] as const) {
      const process = await start(folder)
      await until(() => process.errors.length > 0, 'the reason has come')
      const [error] = process.errors
      expect(error).to.be.instanceOf(ParticleError).with.property('code', 'MISCONFIGURED')
      expect(String(error)).to.contain(why)
    }
    await people().insertOne({ _id: 1 })
    await until(() => processes.every((process) => idsOf(process).length === 1), 'the change has come')
    // Another attempt follows half a second later.
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(processes.map(({ errors }) => errors.length)).to.deep.equal([1, 1, 1, 1])
    await chmod(sockets.folder, 0o700)
    await unlink(link)
  })

  it('leaves nothing behind when all have closed', async () => {
    await start()
    await start()
    await until(isShared, 'one leads')
    await Promise.all(processes.map(({ subscription }) => subscription?.close()))
    expect(await readdir(sockets.folder)).to.deep.equal([])
    expect(processes.map(({ streams }) => streams)).to.deep.equal([0, 0])
    await people().insertOne({ _id: 1 })
    expect(processes.flatMap(({ seen }) => seen)).to.deep.equal([])
  })
})
