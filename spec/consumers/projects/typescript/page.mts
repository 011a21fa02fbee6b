import { Client } from 'particle/client'
import { applyDelta } from 'particle/protocol'

export const parts = [new Client(), applyDelta]
