import { CniFailure } from './failure';

/** The versions of the CNI specification that are spoken, oldest first. */
export const CNI_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof CNI_VERSIONS)[number];

export const NEWEST_VERSION: CniVersion = '1.1.0';

export function isCniVersion(value: unknown): value is CniVersion {
  return CNI_VERSIONS.some((version) => version === value);
}

export function parseCniVersion(value: unknown): CniVersion {
  if (isCniVersion(value)) return value;
  const said = value === undefined ? 'none' : JSON.stringify(value);
  throw new CniFailure('version', `incompatible CNI version: ${said}`, {
    details: `supported are ${CNI_VERSIONS.join(', ')}`,
  });
}

/** Whether a version has what came with another. */
export function isSince(version: CniVersion, since: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(since);
}
