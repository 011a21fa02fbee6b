/** Checks whether an `Accept-Encoding` accepts an encoding (RFC 9110, 12.5.3). */
export function isAccepted(accepted: string | undefined, encoding: string): boolean {
  const weights = new Map<string, number>()
  for (const each of (accepted ?? '').toLowerCase().split(',')) {
    const [coding = '', ...params] = each.split(';').map((part) => part.trim())
    const weight = params.find((param) => param.startsWith('q='))
    weights.set(coding, weight === undefined ? 1 : Number(weight.slice(2)))
  }
  return (weights.get(encoding) ?? weights.get('*') ?? 0) > 0
}
