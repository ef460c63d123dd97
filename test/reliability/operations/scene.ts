/** Where operations take place: a host with an uplink, a container beside it, a directory. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../support/run';
import type { Sandbox } from '../../support/sandbox';
import type { Scene } from './operation';

/** A tenant's link that is not ours, for the firewall. */
export const INSIDE_LINK = 'tenant0';

/** What is left in it is the business of who takes pictures of it. */
export class Stage implements Disposable {
  readonly scene: Scene;

  private constructor(scene: Scene) {
    this.scene = scene;
  }

  static async open(box: Sandbox): Promise<Stage> {
    const node = await box.netns('node', { leaves: 'anything' });
    const container = await box.netns('container', { leaves: 'anything' });
    const lines = [
      'link add eth0 type veth peer name eth0peer',
      'address add 198.51.100.1/24 dev eth0',
      'link set eth0 up',
      'link set eth0peer up',
      `link add name ${INSIDE_LINK} type bridge`,
      `address add 172.20.1.1/24 dev ${INSIDE_LINK}`,
      `link set ${INSIDE_LINK} up`,
    ];
    await run(['ip', '-n', node.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
    // Whoever serves names has an account of his own, and must get through.
    const directory = mkdtempSync(join(tmpdir(), 'snnet-kills-'));
    chmodSync(directory, 0o711);
    return new Stage({ node: node.path, container: container.path, directory });
  }

  [Symbol.dispose](): void {
    rmSync(this.scene.directory, { recursive: true, force: true });
  }
}
