import Module, { register } from 'node:module'

// Resolves the package `mongodb` to its version 6, by import and by require, in a process that loads this file first.
const hooks = `export const resolve = (name, context, next) =>
  next(name === 'mongodb' ? 'mongodb6' : name, context)`
register(`data:text/javascript,${encodeURIComponent(hooks)}`, import.meta.url)
const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...others) {
  return resolve.call(this, name === 'mongodb' ? 'mongodb6' : name, ...others)
}
