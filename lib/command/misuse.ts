/** Reports a wrong call of the command. */
export class Misuse extends Error {}
