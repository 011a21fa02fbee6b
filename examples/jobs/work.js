import { Queue, Worker } from 'bullmq'
import { createClient } from 'redis'

const connection = await createClient({ url: process.env.REDIS_URL ?? 'redis://localhost:6379' })
  .on('error', (error) => console.error(error))
  .connect()

const queue = new Queue('mail', { connection })
const names = ['welcome', 'invoice', 'reminder']
setInterval(() => {
  const name = names[Math.floor(Math.random() * names.length)]
  queue.add(name, { to: 'ann@example.com' }, { removeOnComplete: { count: 50 }, attempts: 2 })
}, 1000)

new Worker(
  'mail',
  async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 1500))
    if (job.name === 'invoice' && Math.random() < 0.5) throw new Error('The mail server is away')
  },
  { connection, concurrency: 2 },
)
