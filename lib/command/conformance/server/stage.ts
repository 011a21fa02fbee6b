import type { Case } from '../case.ts'
import type { Stage } from '../runner.ts'
export type ServerScene = {}
export const SERVER_CASES: readonly Case<ServerScene>[] = []
export class ServerStage implements Stage<ServerScene> {
  readonly options: { url: string; fixture: string; timeout: number }
  constructor(options: { url: string; fixture: string; timeout: number }) {
    this.options = options
  }
  async open(): Promise<ServerScene> {
    return {}
  }
  async close(): Promise<string> {
    return ''
  }
}
