/** The rules that no case can test from outside, with the reason. */
export const UNTESTED: Readonly<Record<string, string>> = {}
