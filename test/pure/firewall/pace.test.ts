import { Pace } from '#lib/firewall/pace';

test('who is undone again and again takes longer and longer, and recovers when it is calm', () => {
  const pace = new Pace();
  const pauses = Array.from({ length: 10 }, (_, n) => {
    pace.note(n);
    return pace.pause(n);
  });
  expect(pauses).toEqual([0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  expect(pace.pause(20_000)).toBe(0);
  pace.note(20_000);
  expect(pace.pause(20_000)).toBe(0);
});
