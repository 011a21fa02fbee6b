import type { Document } from './document.ts'

/** Splits a node that has more children. */
const MAX_CHILDREN = 32
/** Merges a node that has fewer children with its neighbour, if both leave room for insertions. */
const MIN_CHILDREN = 8

/** Holds an immutable image of a sequence. Images of one sequence share all parts that did not change. */
export class Image {
  readonly size: number
  /** The documents of a leaf. A branch has none. */
  readonly #documents: readonly Document[]
  readonly #parts: readonly Image[]

  constructor(size: number, documents: readonly Document[], parts: readonly Image[]) {
    this.size = size
    this.#documents = documents
    this.#parts = parts
  }

  /** Returns the document at an index. */
  at(index: number): Document | undefined {
    let rest = index
    for (const part of this.#parts) {
      if (rest < part.size) return part.at(rest)
      rest -= part.size
    }
    return this.#documents[rest]
  }

  /** Adds all documents, in order, to an array. Returns the array. */
  addTo(array: Document[]): Document[] {
    for (const document of this.#documents) array.push(document)
    for (const part of this.#parts) part.addTo(array)
    return array
  }
}

/** Holds one document of a sequence, and keeps its place when other documents come and go. */
export class Entry {
  parent: Node | undefined
  /** Counts as one document among the children of a node. */
  readonly size = 1
  document: Document

  constructor(document: Document) {
    this.document = document
  }
}

class Node {
  parent: Node | undefined
  size = 0
  /** The image of the node, until the next change. */
  #image: Image | undefined
  /** Entries in a leaf, nodes in a branch. All leaves have the same depth. */
  readonly children: (Entry | Node)[]

  constructor(children: (Entry | Node)[]) {
    this.children = children
    this.adopt(children)
  }

  /** Makes the node the parent of children that were added to it. */
  adopt(children: readonly (Entry | Node)[]): void {
    for (const child of children) {
      child.parent = this
      this.size += child.size
    }
    this.#image = undefined
  }

  /** Adds a number to the sizes of the node and its parents, and drops their images. */
  touch(added = 0): void {
    for (let node: Node | undefined = this; node; node = node.parent) {
      node.size += added
      node.#image = undefined
    }
  }

  image(): Image {
    if (!this.#image) {
      const documents: Document[] = []
      const parts: Image[] = []
      for (const child of this.children) {
        if (child instanceof Node) parts.push(child.image())
        else documents.push(child.document)
      }
      this.#image = new Image(this.size, documents, parts)
    }
    return this.#image
  }
}

/**
 * Keeps documents in order. It is a B-tree that counts: an insertion, a removal, the search for a position
 * and an image after a change cost O(log n).
 */
export class Sequence {
  #root: Node

  constructor(entries: readonly Entry[]) {
    let nodes = grouped(entries)
    while (nodes.length > 1) nodes = grouped(nodes)
    this.#root = nodes[0] ?? new Node([])
  }

  get size(): number {
    return this.#root.size
  }

  /** Returns the current documents. The image is the same until a change. */
  image(): Image {
    return this.#root.image()
  }

  position(entry: Entry): number {
    let position = 0
    let child: Entry | Node = entry
    for (let { parent } = child; parent; parent = child.parent) {
      for (const before of parent.children) {
        if (before === child) break
        position += before.size
      }
      child = parent
    }
    return position
  }

  /** Inserts an entry at a position that is at most the size. */
  insert(entry: Entry, position: number): void {
    let node = this.#root
    let index = position
    const isLast = position === this.size
    while (node.children[0] instanceof Node) {
      if (isLast) node = node.children.at(-1) as Node
      else {
        for (const child of node.children as Node[]) {
          node = child
          // An insertion between two nodes goes to the end of the first one.
          if (index <= child.size) break
          index -= child.size
        }
      }
    }
    if (isLast) node.children.push(entry)
    else node.children.splice(index, 0, entry)
    entry.parent = node
    node.touch(1)
    this.#split(node)
  }

  /** Replaces the document of an entry. */
  replace(entry: Entry, document: Document): void {
    entry.document = document
    entry.parent?.touch()
  }

  remove(entry: Entry): void {
    const { parent } = entry
    if (!parent) return
    parent.touch(-1)
    this.#drop(parent, entry)
  }

  #split(node: Node): void {
    if (node.children.length <= MAX_CHILDREN) return
    const right = new Node(node.children.splice(MAX_CHILDREN / 2))
    node.size -= right.size
    const { parent } = node
    if (!parent) {
      this.#root = new Node([node, right])
      return
    }
    parent.children.splice(parent.children.indexOf(node) + 1, 0, right)
    right.parent = parent
    this.#split(parent)
  }

  /** Removes a child whose documents are counted no longer. */
  #drop(node: Node, child: Entry | Node): void {
    node.children.splice(node.children.indexOf(child), 1)
    const { parent, children } = node
    if (!parent) {
      const [only] = children
      if (children.length === 1 && only instanceof Node) {
        only.parent = undefined
        this.#root = only
      }
    } else if (children.length === 0) this.#drop(parent, node)
    else if (children.length < MIN_CHILDREN) {
      const at = parent.children.indexOf(node)
      const [left, right] = parent.children.slice(Math.max(at - 1, 0)) as Node[]
      if (!left || !right || left.children.length + right.children.length > MAX_CHILDREN / 2) return
      left.children.push(...right.children)
      left.adopt(right.children)
      this.#drop(parent, right)
    }
  }
}

function grouped(children: readonly (Entry | Node)[]): Node[] {
  const nodes: Node[] = []
  for (let at = 0; at < children.length; at += MAX_CHILDREN) {
    nodes.push(new Node(children.slice(at, at + MAX_CHILDREN)))
  }
  return nodes
}
