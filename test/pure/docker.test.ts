/** What is asked and where: read as it stands, or refused. */
import fc from 'fast-check';
import { formatAddress, parseAddress, specFileFor } from '#lib/docker/address';
import { RequestBody } from '#lib/docker/request';

describe('where a plugin listens', () => {
  test.each([
    ['/run/docker/plugins/x.sock', 'unix:///run/docker/plugins/x.sock'],
    ['unix:///run/x.sock', 'unix:///run/x.sock'],
    ['tcp://127.0.0.1:9999', 'tcp://127.0.0.1:9999'],
    ['http://127.0.0.2:80/', 'tcp://127.0.0.2:80'],
    ['tcp://[::1]:0', 'tcp://[::1]:0'],
  ])('%s', (text, formatted) => {
    const address = parseAddress(text, 'address');
    expect(formatAddress(address)).toBe(formatted);
    expect(parseAddress(formatted, 'address')).toEqual(address);
  });

  test.each([
    undefined,
    7,
    '',
    'x.sock',
    'unix://x.sock',
    'unix:///run/../x.sock',
    `/${'x'.repeat(107)}`,
    'tcp://0.0.0.0:9999',
    'tcp://example.org:9999',
    'tcp://localhost:9999',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:99999',
    'tcp://127.0.0.1:9999/x',
    'tcp://user@127.0.0.1:9999',
    'https://127.0.0.1:9999',
  ])('refuses %p', (text) => {
    expect(() => parseAddress(text, 'address')).toThrow(/address/);
  });

  test('docker is told what it does not find by itself', () => {
    const spec = (text: string): unknown => specFileFor('x', parseAddress(text, 'address'));
    expect(spec('/run/docker/plugins/x.sock')).toBeUndefined();
    expect(spec('/run/docker/plugins/y.sock')).toEqual({
      fileName: 'x.spec',
      text: 'unix:///run/docker/plugins/y.sock\n',
    });
    expect(spec('tcp://[::1]:9')).toEqual({
      fileName: 'x.json',
      text: '{"Name":"x","Addr":"http://[::1]:9"}\n',
    });
  });
});

describe('a request', () => {
  test('whatever JSON it is, each field is read or refused in words', () => {
    const names = ['NetworkID', 'Options', 'IPv4Data', 'Address'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (fields) => {
        const body = RequestBody.parse(JSON.stringify(fields));
        for (const read of [
          () => body.id('NetworkID'),
          () => body.object('Options').text('bridge'),
          () => body.list('IPv4Data').map((item) => item.text('Pool')),
          () => body.address('Address'),
        ]) {
          expect(refusalOf(read)).toMatch(
            /^$|^[\w[\].0-9]+ is .*, where .* was expected$|^the request is empty/s,
          );
        }
      }),
    );
  });

  test('whatever text it is, it is an object or refused', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(refusalOf(() => RequestBody.parse(text))).toMatch(/^$|^the request is /);
      }),
    );
  });
});

/** The words of a refusal; nothing where there is none. */
function refusalOf(read: () => unknown): string {
  try {
    read();
    return '';
  } catch (error) {
    expect((error as Error).name).toBe('Refusal');
    return (error as Error).message;
  }
}
