/** Figures of a server at one moment. */
export interface Stats {
  /** Open streams. */
  connections: number
  /** Distinct views that they look at. */
  views: number
  /** What is kept for clients that come back: changes, and their reckoned size in bytes. */
  replay: { changes: number; bytes: number }
}
