/** Throws with both where they differ. */
export function agree(what: string, actual: unknown, expected: unknown): void {
  const [is, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== wanted) throw new Error(`${what}: ${is}\n  expected: ${wanted}`);
}
