import { type Case, Skip } from './case.ts'

/** The result of a case. `reason` says why the case failed or was skipped. */
export interface Outcome {
  rule: string
  title: string
  result: 'ok' | 'not ok' | 'skipped'
  reason?: string
}

/** Prepares and ends the scenes of cases. */
export interface Stage<Scene> {
  /** Prepares a case. Rejects as a case does. */
  open(): Promise<Scene>
  /** Ends a case. Returns what helps to understand a failure, such as the output of the client's process. */
  close(scene: Scene, isGood: boolean): Promise<string>
}

/** Runs cases, `jobs` at a time, and reports them in their order. Runs those that are alone at the end. */
export async function runCases<Scene>(
  cases: readonly Case<Scene>[],
  stage: Stage<Scene>,
  jobs: number,
  report: (outcome: Outcome) => void,
): Promise<void> {
  for (const isLast of [false, true]) {
    const chosen = cases.filter(({ isAlone }) => isAlone === isLast)
    await runTogether(chosen, stage, isLast ? 1 : jobs, report)
  }
}

async function runTogether<Scene>(
  cases: readonly Case<Scene>[],
  stage: Stage<Scene>,
  jobs: number,
  report: (outcome: Outcome) => void,
): Promise<void> {
  const outcomes: Outcome[] = []
  let begun = 0
  let reported = 0
  const work = async () => {
    for (let next = cases[begun]; next; next = cases[begun]) {
      const index = begun++
      outcomes[index] = await runCase(next, stage)
      for (let outcome = outcomes[reported]; outcome; outcome = outcomes[reported]) {
        reported++
        report(outcome)
      }
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

async function runCase<Scene>(next: Case<Scene>, stage: Stage<Scene>): Promise<Outcome> {
  const { rule, title, run } = next
  let scene: Scene | undefined
  let failure: { error: unknown } | undefined
  try {
    scene = await stage.open()
    await run(scene)
  } catch (error) {
    failure = { error }
  }
  const isSkipped = failure?.error instanceof Skip
  const more = scene === undefined ? '' : await stage.close(scene, failure === undefined || isSkipped)
  if (!failure) return { rule, title, result: 'ok' }
  const reason = messageOf(failure.error)
  if (isSkipped) return { rule, title, result: 'skipped', reason }
  return { rule, title, result: 'not ok', reason: more ? `${reason}\n${more}` : reason }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
