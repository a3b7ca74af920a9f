/**
 * The strongly connected components of a directed graph (Tarjan 1972), without recursion so that a chain of any
 * length is safe. Members come in the order in which the nodes were given.
 */
export function strongComponents<Node>(nodes: readonly Node[], next: (node: Node) => readonly Node[]): Node[][] {
  const search = new Search<Node>(next);
  for (const node of nodes) search.visit(node);
  const order = new Map(nodes.map((node, i) => [node, i]));
  return search.components.map((component) => component.toSorted((a, b) => order.get(a)! - order.get(b)!));
}

interface Visit<Node> {
  readonly node: Node;
  readonly open: Node[];
}

class Search<Node> {
  readonly components: Node[][] = [];
  readonly #found = new Map<Node, number>();
  readonly #low = new Map<Node, number>();
  readonly #pending: Node[] = [];
  readonly #isPending = new Set<Node>();

  constructor(private readonly next: (node: Node) => readonly Node[]) {}

  visit(root: Node): void {
    if (this.#found.has(root)) return;
    const path: Visit<Node>[] = [this.#enter(root)];
    for (let visit = path.at(-1); visit; visit = path.at(-1)) {
      const child = visit.open.pop();
      if (child === undefined) {
        this.#leave(visit.node);
        path.pop();
        const parent = path.at(-1);
        if (parent) this.#lower(parent.node, this.#low.get(visit.node)!);
      } else if (!this.#found.has(child)) {
        path.push(this.#enter(child));
      } else if (this.#isPending.has(child)) {
        this.#lower(visit.node, this.#found.get(child)!);
      }
    }
  }

  #enter(node: Node): Visit<Node> {
    const order = this.#found.size;
    this.#found.set(node, order);
    this.#low.set(node, order);
    this.#pending.push(node);
    this.#isPending.add(node);
    return { node, open: [...this.next(node)] };
  }

  #leave(node: Node): void {
    if (this.#low.get(node) !== this.#found.get(node)) return;
    const component = this.#pending.splice(this.#pending.lastIndexOf(node));
    for (const member of component) this.#isPending.delete(member);
    this.components.push(component);
  }

  #lower(node: Node, low: number): void {
    this.#low.set(node, Math.min(low, this.#low.get(node)!));
  }
}
