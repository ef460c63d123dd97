/** The name by which the kernel keeps whose interface a VNIC is. */
import * as fc from 'fast-check';
import { formatAttachment, keyOfAttachment, parseAttachment } from '#lib/cni/index';
import { keyOf, networkDigest, vnicIdOf } from '#lib/cni/attachment';
import { parseAltName } from '#lib/model/index';
import { checkProperty } from '../../support/property';

const LETTERS = 'abzAZ09';
const word = (letters: string, from: number, to: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...letters), minLength: from, maxLength: to });
const containerId = fc
  .tuple(word(LETTERS, 1, 1), word(`${LETTERS}_.-`, 0, 100))
  .map(([first, rest]) => first + rest);
const ifname = word(`${LETTERS}.=-_,`, 1, 15).filter((name) => name !== '.' && name !== '..');
const name = fc.record({ network: containerId, containerId, ifname });
const netns = fc.integer({ min: 1, max: 0xffff_ffff });

test('it says what it was made of, as long as that fits', async () => {
  await checkProperty(
    fc.property(name, netns, (given, inode) => {
      const text = formatAttachment(given, inode);
      expect(parseAltName(text, 'altName')).toBe(text);
      const parsed = parseAttachment(text);
      expect(parsed).toMatchObject({ netns: inode, ifname: given.ifname });
      expect(parsed?.network).toBe(networkDigest(given.network));
      if (given.containerId.length <= 64) expect(parsed?.container).toBe(given.containerId);
      else expect(parsed?.container).toMatch(/^[0-9a-f]{32}$/);
    }),
  );
});

test('two attachments have two names, in whatever namespace', async () => {
  await checkProperty(
    fc.property(name, name, netns, (one, other, inode) => {
      const isSame = JSON.stringify(one) === JSON.stringify(other);
      expect(keyOf(one) === keyOf(other)).toBe(isSame);
      const parsed = parseAttachment(formatAttachment(one, inode));
      expect(parsed && keyOfAttachment(parsed)).toBe(keyOf(one));
    }),
  );
});

test('whatever else a link may be called, it is none of ours', async () => {
  await checkProperty(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.startsWith('cni.'));
      expect(parseAttachment(text)).toBeUndefined();
    }),
  );
  const digest = networkDigest('net');
  for (const text of [
    `cni.0.${digest}.c1.eth0`,
    `cni.7.${digest.slice(1)}.c1.eth0`,
    `cni.7.${digest}..eth0`,
    `cni.7.${digest}.c1.`,
    `cni.7.${digest}.c1.eth=0`,
    `cni.7.${digest}.eth0`,
    ` cni.7.${digest}.c1.eth0`,
  ]) {
    expect(parseAttachment(text)).toBeUndefined();
  }
});

test('dots belong to whom they belong', () => {
  const text = formatAttachment({ network: 'net', containerId: 'a.b', ifname: 'eth0.5' }, 7);
  expect(text).toBe(`cni.7.${networkDigest('net')}.a.b.eth0=-5`);
  expect(parseAttachment(text)).toMatchObject({ container: 'a.b', ifname: 'eth0.5' });
});

test('the same attachment has the same UUID always', () => {
  const key = keyOf({ network: 'net', containerId: 'c1', ifname: 'eth0' });
  expect(vnicIdOf(key)).toBe(vnicIdOf(key));
  expect(vnicIdOf(key)).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(vnicIdOf(key)).not.toBe(vnicIdOf(`${key}x`));
});
