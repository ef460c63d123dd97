import { LinkIndex } from '#lib/watch/index';

function link(ifIndex: number) {
  return { ifIndex, linkName: `l${ifIndex}`, alias: '', mtu: 0, mac: '' };
}

function owned(ifIndex: number, forget = jest.fn()) {
  return { link: link(ifIndex), master: () => undefined, forget };
}

test('a deletion of what is owned is somebody else’s', () => {
  const index = new LinkIndex();
  const mine = owned(1);
  index.own(mine);
  expect(index.noteGone(2)).toBeUndefined();
  expect(index.noteGone(1)).toBe(mine);
  expect(mine.forget).toHaveBeenCalledTimes(1);
  expect(index.noteGone(1)).toBeUndefined();
});

test('a deletion of what is expected is ours, and remembered if it is owned afterwards', () => {
  const index = new LinkIndex();
  const mine = owned(1);
  index.own(mine);
  index.expect([link(1), undefined]);
  expect(index.get(1)).toBeUndefined();
  expect(index.noteGone(1)).toBeUndefined();
  index.own(mine);
  expect(mine.forget).toHaveBeenCalledTimes(1);
  expect(index.get(1)).toBeUndefined();
  index.expect([link(1)]);
  index.release([link(1), undefined]);
  index.own(mine);
  expect(index.get(1)).toBe(mine);
});

test('what goes while a dump is on its way is forgotten after it', () => {
  const index = new LinkIndex();
  index.own(owned(1));
  index.record();
  index.noteGone(1);
  index.supersede(() => true);
  const again = owned(1);
  index.own(again);
  index.own(owned(2));
  index.applyRecorded();
  expect(again.forget).toHaveBeenCalledTimes(1);
  expect([index.get(1), index.get(2)?.link.ifIndex]).toEqual([undefined, 2]);
});

test('what a dump no longer shows is still to be heard of, unless it was us', () => {
  const index = new LinkIndex();
  const mine = owned(1);
  const renewed = owned(2);
  index.own(mine);
  index.own(renewed);
  index.supersede((ifIndex) => ifIndex === 2);
  index.own(renewed);
  expect(index.get(1)).toBeUndefined();
  expect(index.noteGone(1)).toBe(mine);
  expect(mine.forget).not.toHaveBeenCalled();
  expect(index.noteGone(1)).toBeUndefined();
  index.supersede(() => false);
  index.clear();
  expect(index.noteGone(2)).toBeUndefined();
});
