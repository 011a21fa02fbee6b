/** Particle with the option `compression`. */
process.env.BENCH_PARTICLE = JSON.stringify({ compression: true })

export { start } from './particle.ts'
