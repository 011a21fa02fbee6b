export { type SpanOptions, traceServer } from './tracing.ts'
