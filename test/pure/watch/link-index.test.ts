import { LinkIndex } from '#lib/watch/index';
import type { OwnedLink } from '#lib/watch/index';

function link(ifIndex: number) {
  return { ifIndex, linkName: `l${ifIndex}`, alias: '', mtu: 0, mac: '' };
}

function ownedLink(ifIndex: number, forget = jest.fn()) {
  return { link: link(ifIndex), owner: { masterOf: () => undefined, forget } };
}

function own(index: LinkIndex, { link, owner }: ReturnType<typeof ownedLink>): void {
  index.own(link, owner);
}

/** The index keeps more beside it, which is nobody else's business. */
function whose(owned: OwnedLink | undefined): OwnedLink | undefined {
  return owned && { link: owned.link, owner: owned.owner };
}

test('a deletion of what is owned is somebody else’s', () => {
  const index = new LinkIndex();
  const mine = ownedLink(1);
  own(index, mine);
  expect(index.noteGone(2)).toBeUndefined();
  expect(whose(index.noteGone(1))).toEqual(mine);
  expect(mine.owner.forget).toHaveBeenCalledTimes(1);
  expect(index.noteGone(1)).toBeUndefined();
});

test('a deletion of what is expected is ours, and remembered if it is owned afterwards', () => {
  const index = new LinkIndex();
  const mine = ownedLink(1);
  own(index, mine);
  index.expect([link(1), undefined]);
  expect(index.get(1)).toBeUndefined();
  expect(index.noteGone(1)).toBeUndefined();
  own(index, mine);
  expect(mine.owner.forget).toHaveBeenCalledTimes(1);
  expect(index.get(1)).toBeUndefined();
  index.expect([link(1)]);
  index.release([link(1), undefined]);
  own(index, mine);
  expect(whose(index.get(1))).toEqual(mine);
});

test('what goes while a dump is on its way is forgotten after it', () => {
  const index = new LinkIndex();
  own(index, ownedLink(1));
  index.record();
  index.noteGone(1);
  index.supersede(() => true);
  const again = ownedLink(1);
  own(index, again);
  own(index, ownedLink(2));
  index.applyRecorded();
  expect(again.owner.forget).toHaveBeenCalledTimes(1);
  expect([index.get(1), index.get(2)?.link.ifIndex]).toEqual([undefined, 2]);
});

test('what a dump no longer shows is still to be heard of, unless it was us', () => {
  const index = new LinkIndex();
  const mine = ownedLink(1);
  const renewed = ownedLink(2);
  own(index, mine);
  own(index, renewed);
  index.supersede((ifIndex) => ifIndex === 2);
  own(index, renewed);
  expect(index.get(1)).toBeUndefined();
  expect(whose(index.noteGone(1))).toEqual(mine);
  expect(mine.owner.forget).not.toHaveBeenCalled();
  expect(index.noteGone(1)).toBeUndefined();
  index.supersede(() => false);
  index.clear();
  expect(index.noteGone(2)).toBeUndefined();
});
