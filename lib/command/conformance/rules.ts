/** The rules that no case can test from outside, with the reason. */
export const UNTESTED: Readonly<Record<string, string>> = {
  P11: 'needs a log that lost what the client held, which no client can bring about',
  P12: "needs a gap in the source's history, which no client can bring about",
  A5: "depends on relations, which are a part of an application's configuration",
  A6: "depends on the documents that an application's lookup reads",
  S3: 'needs a network that drops packets without a word',
  C5: "is about the listeners of the client's own interface",
}
