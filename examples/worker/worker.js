import { Client } from 'particle/client'

const SERVER = process.env.SERVER ?? 'http://localhost:3000'
const key = process.env.WORKER_KEY ?? 'only for this example'
const ordered = new Set() // what is under way, so that no product is ordered twice

const client = new Client({
  url: `${SERVER}/particle`, // in Node, the address is complete
  identity: { key },
  onData: reorder,
  onStatus: (status) => console.log(`The connection is ${status}.`),
  onError: (error) => console.error(`${error.code}: ${error.message}`),
})

function reorder() {
  for (const { _id, stock, minimum } of client.getSnapshot('products')) {
    if (stock < minimum && !ordered.has(_id)) order(_id)
  }
}

async function order(id) {
  ordered.add(id)
  try {
    const headers = { Authorization: key }
    const response = await fetch(`${SERVER}/products/${id}/order`, { method: 'POST', headers })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    // Waits until the model has the new stock. Without it, the worker would see the old stock and order again.
    await client.reached((await response.json()).position)
    console.log(`Ordered ${id}.`)
  } catch (error) {
    console.error(`Could not order ${id}: ${error.message}. Trying again in 5 s.`)
    setTimeout(reorder, 5000)
  } finally {
    ordered.delete(id)
  }
}

process.on('SIGTERM', () => client.close())
