import { parseId, parseLooseId } from '#lib/model/index';
import { hostileValues, refusalOf } from '../helpers/refusal';

const UUID = '67d86208-b46c-4465-9018-e14187d40101';

describe('parsing an id', () => {
  it('puts a UUID into lower case, so that two spellings are one identity', () => {
    expect(parseId(UUID.toUpperCase(), 'tenantId')).toBe(UUID);
  });

  it.each(['tuuid', 'subnet-1-9018', 'A.b:c', '~!@$%^&*()=+', 'X'])('keeps %s as it is', (id) => {
    expect(parseId(id, 'tenantId')).toBe(id);
  });

  it.each(['a_b', 'a#b', 'a/b', 'a b', 'a\tb', 'ä', 'a\u007f', '', 'x'.repeat(256)])(
    'refuses %p',
    (id) => {
      expect(refusalOf(() => parseId(id, 'subnetId'))).toMatchObject({
        code: 'SNNET_INPUT_INVALID',
        field: 'subnetId',
        value: id,
      });
    },
  );

  it('accepts underscores, and nothing else in addition, where links of the Go library are meant', () => {
    expect(parseLooseId('suuid_1_0', 'subnetId')).toBe('suuid_1_0');
    expect(parseId('suuid_1_0', 'subnetId', { allowUnderscore: true })).toBe('suuid_1_0');
    for (const id of ['a#b', 'a/b', 'a b', '']) {
      expect(refusalOf(() => parseLooseId(id, 'subnetId')).code).toBe('SNNET_INPUT_INVALID');
    }
  });

  it('tells an absent id from a wrong one', () => {
    expect(refusalOf(() => parseId(undefined, 'tenantId')).code).toBe('SNNET_INPUT_MISSING');
  });

  it.each(hostileValues())('refuses %s', (_, value) => {
    expect(refusalOf(() => parseId(value, 'tenantId')).field).toBe('tenantId');
  });
});
