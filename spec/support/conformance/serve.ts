import { createServer } from 'node:http'
import { fixture } from './fixture.ts'

// Serves the fixture at the port of the first argument, to try the pack by hand.
createServer(fixture().handler).listen(Number(process.argv[2] ?? 4555))
