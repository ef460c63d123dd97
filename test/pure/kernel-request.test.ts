import { toRequest } from '#lib/kernel/request';
import { makePlan } from '#lib/plan/index';
import type { NftCommand } from '#lib/plan/index';

const HERE = { family: 'inet', table: 't', set: 'ports', keyBytes: 8, dataBytes: 8 } as const;
const MANY = new Uint8Array(32).fill(7);
const FEW = new Uint8Array(16);

const add = (packed: Uint8Array): NftCommand => ({ op: 'elements.add', ...HERE, packed });
const remove = (packed: Uint8Array): NftCommand => ({ op: 'elements.delete', ...HERE, packed });

test('bytes that a step and its inverse have cross once, and by number', () => {
  const commands = [remove(FEW), add(MANY)];
  const before = [remove(MANY), add(FEW)];
  const { text, buffers } = toRequest(
    makePlan('test', [{ op: 'nft', commands, before }]),
    undefined,
  );
  expect(buffers).toEqual([FEW, MANY]);
  expect(JSON.parse(text)).toEqual({
    steps: [
      {
        step: {
          op: 'nft',
          commands: [
            { op: 'elements.delete', ...HERE, packed: 0 },
            { op: 'elements.add', ...HERE, packed: 1 },
          ],
        },
        undo: {
          op: 'nft',
          commands: [
            { op: 'elements.delete', ...HERE, packed: 1 },
            { op: 'elements.add', ...HERE, packed: 0 },
          ],
        },
      },
    ],
  });
});

test('a plan without bytes is its steps, with the fault that it is to meet', () => {
  const step = { op: 'sysctl.set', name: 'net/ipv4/ip_forward', value: '1', before: '0' } as const;
  const plan = makePlan('test', [step]);
  const { text, buffers } = toRequest(plan, { step: 0, errno: 'EPERM' });
  expect(buffers).toEqual([]);
  expect(JSON.parse(text)).toEqual({
    steps: [{ step, undo: { ...step, value: '0', before: '1' } }],
    fault: { step: 0, errno: 'EPERM' },
  });
});
