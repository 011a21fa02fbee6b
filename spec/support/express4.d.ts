/** Express 4 under an alias of its own; what the specs use of it has the types of Express 5. */
declare module 'express4' {
  import express from 'express'
  export default express
}
