/** A line of a tree with what hangs on it. */
export interface Branch {
  readonly text: string;
  readonly children: readonly Branch[];
}

interface Strokes {
  readonly fork: string;
  readonly last: string;
  readonly pass: string;
  readonly blank: string;
}

const UNICODE: Strokes = { fork: '├─ ', last: '└─ ', pass: '│  ', blank: '   ' };
const ASCII: Strokes = { fork: '+- ', last: '`- ', pass: '|  ', blank: '   ' };

/** Draws a tree, one line for each branch, without a line feed at the end. */
export function formatBranch(root: Branch, options: { readonly ascii: boolean }): string {
  const strokes = options.ascii ? ASCII : UNICODE;
  const lines = [root.text];
  appendChildren(root, '', strokes, lines);
  return lines.join('\n');
}

function appendChildren(branch: Branch, prefix: string, strokes: Strokes, lines: string[]): void {
  branch.children.forEach((child, index) => {
    const isLast = index === branch.children.length - 1;
    lines.push(`${prefix}${isLast ? strokes.last : strokes.fork}${child.text}`);
    appendChildren(child, prefix + (isLast ? strokes.blank : strokes.pass), strokes, lines);
  });
}
