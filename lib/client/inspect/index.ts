export { type InspectOptions, inspect } from './panel.ts'
