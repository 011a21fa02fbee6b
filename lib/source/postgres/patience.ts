const PATIENCE_MS = 1500

/** Waits for a promise, but only for a moment: a silent server must not delay a close. */
export async function withinPatience(promise: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
