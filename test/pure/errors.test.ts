import {
  APIError,
  describeType,
  describeValue,
  ERROR_CODES,
  FatalError,
  isErrorCode,
  isKernelError,
  isLibsnnetError,
  KernelError,
  LibsnnetError,
  truncateText,
} from '#lib/errors/index';
import { hostileValues } from './helpers/refusal';

const exists = new KernelError({
  errno: 17,
  name: 'EEXIST',
  extack: 'the kernel’s own words',
  offset: 36,
  request: 'RTM_NEWLINK sgt_5f3a',
});

describe('the table of codes', () => {
  it.each(Object.entries(ERROR_CODES))('says of %s what, when and what to do', (code, row) => {
    expect(code).toMatch(/^SNNET(_[A-Z]+)+$/);
    expect(row.summary).toMatch(/^[A-Z].*[^.]$/);
    expect(row.when).toMatch(/^[A-Z].*\.$/);
    expect(row.remedy).toMatch(/^[A-Z].*\.$/);
  });

  it('knows a code from other texts, also from names that every object has', () => {
    expect(isErrorCode('SNNET_KEY_RANGE')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
    expect(isErrorCode('__proto__')).toBe(false);
    expect(isErrorCode(7)).toBe(false);
  });
});

describe('an APIError', () => {
  const error = new APIError('SNNET_KERNEL_FAILED', {
    operation: 'createVnic',
    object: { link: 'sgt_5f3a', key: 7 },
    step: { index: 1, text: 'ip link add sgt_5f3a' },
    cause: exists,
  });

  it('is an Error of all its classes, with a name', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(LibsnnetError);
    expect(error.name).toBe('APIError');
    expect(String(error.stack)).toMatch(/^APIError: createVnic/);
  });

  it('tells in one sentence what failed, where, and what the kernel answered', () => {
    expect(error.message).toBe(
      'createVnic: The kernel refused a step (link sgt_5f3a, key 7) at step 1, ip link add sgt_5f3a; ' +
        'the kernel answered EEXIST (errno 17) to RTM_NEWLINK sgt_5f3a, saying "the kernel’s own words"',
    );
  });

  it('becomes plain JSON with the remedy and the cause', () => {
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'APIError',
      code: 'SNNET_KERNEL_FAILED',
      message: error.message,
      remedy: ERROR_CODES.SNNET_KERNEL_FAILED.remedy,
      operation: 'createVnic',
      object: { link: 'sgt_5f3a', key: 7 },
      step: { index: 1, text: 'ip link add sgt_5f3a' },
      cause: {
        name: 'EEXIST',
        errno: 17,
        message: exists.message,
        request: 'RTM_NEWLINK sgt_5f3a',
        extack: 'the kernel’s own words',
        offset: 36,
      },
    });
  });

  it('has no fields that it was not given', () => {
    const bare = new APIError('SNNET_HANDLE_CLOSED');
    expect(Object.keys(bare)).toEqual(['code']);
    expect(Object.keys(bare.toJSON())).toEqual(['name', 'code', 'message', 'remedy']);
  });

  it('names field, value and type of bad input', () => {
    const details = { field: 'mtu', value: 'big', expected: 'a whole number' };
    expect(new APIError('SNNET_INPUT_INVALID', details).message).toBe(
      'Expected a whole number for mtu, but got "big" (string)',
    );
    expect(new APIError('SNNET_INPUT_MISSING', details).message).toBe(
      'Expected a whole number for mtu, but it is missing',
    );
    expect(new APIError('SNNET_INPUT_UNKNOWN', { field: 'mtuu' }).message).toBe(
      'Expected only known fields, but got mtuu',
    );
  });

  it('names field and value of a key that is out of range', () => {
    const details = { field: 'subnetKey', value: 2 ** 24, expected: 'at most 16777215 on vxlan' };
    expect(new APIError('SNNET_KEY_RANGE', details).message).toBe(
      'The subnet key does not fit the kind of tunnel: expected at most 16777215 on vxlan for subnetKey, but got 16777216',
    );
  });

  it('can learn its operation later', () => {
    const value = 'y'.repeat(1000);
    const first = new APIError('SNNET_INPUT_INVALID', {
      field: 'mtu',
      value,
      expected: 'a number',
    });
    const later = first.withDetails({ operation: 'createVnic' });
    expect(later).toMatchObject({ code: first.code, operation: 'createVnic', field: 'mtu' });
    expect(later.message).toBe(first.message);
    expect(later.message).toContain('[1000 characters]');
  });

  it.each(hostileValues())('stays short and serialisable with %s', (_, value) => {
    const hostile = new APIError('SNNET_INPUT_INVALID', {
      field: 'x'.repeat(1_000_000),
      value,
      expected: 'a name',
      cause: value,
    });
    expect(hostile.message.length).toBeLessThan(1000);
    expect(hostile.message).not.toMatch(/[\n\0]/);
    expect(JSON.stringify(hostile).length).toBeLessThan(3000);
  });

  it('survives a cause that cannot be read', () => {
    const cause = new Error('x');
    Object.defineProperty(cause, 'message', {
      get: () => {
        throw new Error('unreadable');
      },
    });
    const json = new APIError('SNNET_KERNEL_FAILED', { cause }).toJSON();
    expect(json.cause).toBe('an error that cannot be read');
  });

  it('shows a cause of any kind', () => {
    const inner = new APIError('SNNET_CALL_ABORTED', { cause: new TypeError('why') });
    const json = new APIError('SNNET_KERNEL_FAILED', { cause: inner }).toJSON();
    expect(json.cause).toMatchObject({
      code: 'SNNET_CALL_ABORTED',
      cause: { name: 'TypeError', message: 'why' },
    });
  });
});

describe('a FatalError', () => {
  it('lists what to repair', () => {
    const error = new FatalError('SNNET_ROLLBACK_FAILED', {
      operation: 'createVnic',
      repair: ['ip link delete sbr_1'],
    });
    expect(error.name).toBe('FatalError');
    expect(error.repair).toEqual(['ip link delete sbr_1']);
    expect(Object.isFrozen(error.repair)).toBe(true);
    expect(error.toJSON()).toMatchObject({ name: 'FatalError', repair: ['ip link delete sbr_1'] });
  });
});

describe('a KernelError', () => {
  it('is named after the errno', () => {
    expect(exists.name).toBe('EEXIST');
    expect(exists.message).toBe(
      'The kernel answered EEXIST (errno 17) to RTM_NEWLINK sgt_5f3a, saying "the kernel’s own words"',
    );
  });

  it('leaves out what the kernel did not say', () => {
    const terse = new KernelError({ errno: 1, name: 'EPERM', request: 'RTM_DELLINK' });
    expect(terse.toJSON()).toEqual({
      name: 'EPERM',
      errno: 1,
      message: 'The kernel answered EPERM (errno 1) to RTM_DELLINK',
      request: 'RTM_DELLINK',
    });
  });

  it('is recognised by its shape and name', () => {
    expect(isKernelError(exists)).toBe(true);
    expect(isKernelError(exists, 'EEXIST')).toBe(true);
    expect(isKernelError(exists, 'EPERM')).toBe(false);
    expect(isKernelError(new Error('EEXIST'))).toBe(false);
  });
});

describe('recognising our errors', () => {
  it('goes by the code, so another copy of the package counts', () => {
    const foreign = Object.assign(new Error('x'), { code: 'SNNET_KEY_RANGE' });
    expect(isLibsnnetError(foreign)).toBe(true);
    expect(isLibsnnetError(foreign, 'SNNET_KEY_RANGE')).toBe(true);
    expect(isLibsnnetError(foreign, 'SNNET_VNI_TAKEN')).toBe(false);
    expect(isLibsnnetError(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe(false);
  });

  it.each(hostileValues())('says no to %s', (_, value) => {
    expect(isLibsnnetError(value)).toBe(false);
    expect(isKernelError(value)).toBe(false);
  });
});

describe('describing values', () => {
  it('uses words that tell values apart', () => {
    expect([null, undefined, -0, 5n, 'a"b', true, [1], {}].map(describeValue)).toEqual([
      'null',
      'undefined',
      '-0',
      '5n',
      '"a\\"b"',
      'true',
      'an array',
      'an object',
    ]);
    expect([null, [], {}, 1].map(describeType)).toEqual(['null', 'array', 'object', 'number']);
  });

  it('shortens a text and says how long it was', () => {
    expect(truncateText('abc', 3)).toBe('abc');
    expect(truncateText('abcd', 3)).toBe('abc… [4 characters]');
  });
});
