// Applies operations as the JavaScript client does: one JSON array [document, operation] a line, one answer a line.
import { createInterface } from 'node:readline'
import { applyOp } from '../../../dist/protocol/index.js'

for await (const line of createInterface({ input: process.stdin })) {
  const [document, operation] = JSON.parse(line)
  try {
    console.log(JSON.stringify({ document: applyOp(document, operation) }))
  } catch (error) {
    console.log(JSON.stringify({ error: error.code }))
  }
}
