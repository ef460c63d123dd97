import { isLibsnnetError } from '#lib/errors/index';
import type { Dice } from './fuzz-mutate';

/** Something that reads what others wrote: what it begins with, how it is run, and how it may refuse. */
export interface Target<Input = unknown> {
  readonly name: string;
  readonly seeds: readonly Input[];
  readonly mutate: (dice: Dice, input: Input, other: Input) => Input;
  /** Gives a word for what was made of it. */
  readonly run: (input: Input) => string;
  /** A word for a refusal; nothing for an error that should not be. */
  readonly refusalOf: (error: unknown) => string | undefined;
}

/** A word for an error of ours, which says something, and not too much. */
export function refusalOfOurs(error: unknown): string | undefined {
  if (!isLibsnnetError(error)) return undefined;
  if (error.message === '' || error.message.length > 4000) return undefined;
  return `${error.code} ${error.field?.replaceAll(/\d+/g, '0').slice(0, 40) ?? ''}`;
}
