import { APIError } from '#lib/errors/index';

/** Runs what must be refused and gives the refusal; fails on any other outcome. */
export function refusalOf(action: () => unknown): APIError {
  try {
    action();
  } catch (error) {
    if (error instanceof APIError) {
      return error;
    }
    throw new Error('Expected an APIError, but another exception came', { cause: error });
  }
  throw new Error('Expected an APIError, but nothing was thrown');
}

/** Values that must be refused wherever a string, a number or an object of ours is due. */
export function hostileValues(): readonly (readonly [string, unknown])[] {
  const trap = (): never => {
    throw new Error('a trap');
  };
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  return [
    ['null', null],
    ['the empty string', ''],
    ['NaN', Number.NaN],
    ['a negative number', -1],
    ['negative zero', -0],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a huge number', 1e300],
    ['a fraction', 1.5],
    ['an empty list', []],
    ['a list', ['a', 'b']],
    ['a plain object', { a: 1 }],
    ['a circular object', circular],
    ['an object whose conversion throws', { toString: trap, valueOf: trap, toJSON: trap }],
    [
      'an object whose getter throws',
      Object.defineProperty({}, 'x', { enumerable: true, get: trap }),
    ],
    [
      'a proxy that throws',
      new Proxy({}, { get: trap, ownKeys: trap, has: trap, getPrototypeOf: trap }),
    ],
    ['a revoked proxy', revoked.proxy],
    ['a revoked list proxy', revokedList()],
    ['a symbol', Symbol('s')],
    ['a bigint', 7n],
    ['an enormous bigint', 1n << 4_000_000n],
    ['a string of a megabyte', 'x'.repeat(1_000_000)],
    ['a string with a line break', 'a\nb'],
    ['a string with a zero byte', 'a\0b'],
    ['a lone surrogate', '\ud800'],
    ['a function', trap],
    ['a date', new Date(0)],
  ];
}

function revokedList(): unknown {
  const revoked = Proxy.revocable([], {});
  revoked.revoke();
  return revoked.proxy;
}
