/** An image of one layer, in the form that `docker save` writes and containerd imports. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../support/run';

export async function makeImageArchive(
  directory: string,
  image: { readonly name: string; readonly rootfs: string; readonly entrypoint: readonly string[] },
): Promise<string> {
  const place = join(directory, `image-${image.name.replaceAll(/\W/g, '-')}`);
  mkdirSync(place);
  const layer = readFileSync(image.rootfs);
  const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const config = {
    architecture,
    os: 'linux',
    config: { Entrypoint: image.entrypoint },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [image.name], Layers: ['layer.tar'] }];
  writeFileSync(join(place, 'layer.tar'), layer);
  writeFileSync(join(place, 'config.json'), JSON.stringify(config));
  writeFileSync(join(place, 'manifest.json'), JSON.stringify(manifest));
  const file = `${place}.tar`;
  await run(['tar', '-C', place, '-cf', file, '.']);
  return file;
}
