/** Writes a number and its noun, such as `1 document` and `2 documents`. */
export function counted(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`
}
