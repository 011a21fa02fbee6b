import fc from 'fast-check'

/*
 * Gives fast-check the same seed in usual runs, so that a run fails only for a change. `SEED=new` takes a new
 * seed each time and `SEED=<number>` that one: new cases are looked for on purpose.
 */
const { SEED = '1' } = process.env
if (SEED !== 'new') fc.configureGlobal({ seed: Number(SEED) })
