/** What strangers say to `ip link`. */
import type { Harm } from './model-node';

export interface Targets {
  /** One of our links, with its alias where the snapshot shows it. */
  readonly link: string | undefined;
  readonly alias: string | undefined;
  /** A bridge of ours, and the identity of a subnet. */
  readonly bridge: string | undefined;
  readonly scope: string | undefined;
  /** For a link of theirs. */
  readonly name: string;
  readonly elsewhere: string;
}

/** How strangers' links are called, by whatever name they go later. */
export const OF_STRANGERS = /^f\d/;

export function wordsFor(
  op: Harm['op'],
  { link = 'none', alias, bridge = 'none', scope, name, elsewhere }: Targets,
): readonly (readonly string[])[] {
  switch (op) {
    case 'delete':
      return [['delete', link]];
    case 'rename':
      return [['set', link, 'name', OF_STRANGERS.test(link) ? name : `r${name}`]];
    case 're-alias':
      return [['set', link, 'alias', 'mine']];
    case 'down':
      return [['set', link, 'down']];
    case 'detach':
      return [['set', link, 'nomaster']];
    case 'move-away':
      return [['set', link, 'netns', elsewhere]];
    case 'foreign-port':
      return [
        ['add', name, 'type', 'veth', 'peer', 'name', `${name}p`],
        ['set', name, 'master', bridge],
      ];
    case 'impostor':
      return bridgeCalled(name, `br_${scope ?? 'a_b_c_192.0.2.1'}`);
    case 'wrong-kind':
      return bridgeCalled(name, alias ?? 'vxlan_a_b_c_192.0.2.1');
  }
}

function bridgeCalled(name: string, alias: string): readonly (readonly string[])[] {
  return [
    ['add', name, 'type', 'bridge'],
    ['set', name, 'alias', alias],
  ];
}
