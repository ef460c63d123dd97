import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isUint8Array } from 'node:util/types';

import { APIError } from '../../errors';
import { refuse } from '../../model';
import { rolesOfUsages } from './numbers';
import type { SsntpRole } from './numbers';

/** What one end shows, and whom it believes. */
export interface Credentials {
  /** The certificate and its private key. */
  readonly pem: string;
  readonly caPem: string;
  readonly anchors: readonly X509Certificate[];
  /** What our own certificate grants. */
  readonly roles: readonly SsntpRole[];
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const ANY_USAGE = '2.5.29.37.0';
const LEAST_RSA_BITS = 2048;

/**
 * What OpenSSL says of a good certificate made by ciao-cert: its usages name neither servers nor clients,
 * and the subject is the authority's, so that it seems to be its own issuer. Every other complaint stands.
 */
const CURABLE: ReadonlySet<string> = new Set(['INVALID_PURPOSE', 'DEPTH_ZERO_SELF_SIGNED_CERT']);

/** Parses one end's certificate with its key, and the authority's certificate. */
export function parseCredentials(certificate: string, ca: string): Credentials {
  const [own] = readCertificates(certificate, 'certificate');
  if (own === undefined || !hasKeyOf(certificate, own)) {
    return refuseText('certificate', 'a PEM certificate and its private key');
  }
  const anchors = readCertificates(ca, 'ca');
  if (anchors.length === 0) return refuseText('ca', 'the PEM certificate of an authority');
  const roles = rolesOf(own);
  if (roles.length === 0) refuseText('certificate', 'a certificate with a role of SSNTP');
  return Object.freeze({ pem: certificate, caPem: ca, anchors, roles });
}

/** PEM as text or bytes. */
export function parsePem(value: unknown, field: string): string {
  const text = isUint8Array(value) ? Buffer.from(value).toString('latin1') : value;
  return typeof text === 'string' && text.includes('-----BEGIN ')
    ? text
    : refuse(typeof text === 'string' ? '…' : value, field, 'PEM as text or bytes');
}

/** The roles that a certificate grants. */
export function rolesOf(certificate: X509Certificate): readonly SsntpRole[] {
  return rolesOfUsages(usagesOf(certificate));
}

/**
 * The roles of the other end, or an error. Accepted is what OpenSSL accepts, and what passes every check of
 * ours where it complains about what ciao-cert's certificates cannot help.
 *
 * @param dialled - The name or address of the server that was meant; a client has none.
 */
export function acceptPeer(
  socket: TLSSocket,
  credentials: Credentials,
  dialled?: string,
): readonly SsntpRole[] {
  try {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return unacceptable('it shows none');
    // With a name dialled this includes the name.
    if (!socket.authorized) judge(certificate, socket, credentials, dialled);
    return rolesOf(certificate);
  } catch (cause) {
    if (cause instanceof APIError) throw cause;
    // What is strange enough to make the checks throw is strange enough to be refused.
    throw new APIError('SNNET_SSNTP_CERTIFICATE', { detail: 'it cannot be read', cause });
  }
}

/** The names of the authority's certificate: where its scheduler may run. */
export function namesOf(anchors: readonly X509Certificate[]): readonly string[] {
  const names = anchors.flatMap(({ subjectAltName }) => (subjectAltName ?? '').split(', '));
  const of = (kind: string): string[] =>
    names.filter((name) => name.startsWith(kind)).map((name) => name.slice(kind.length));
  return [...of('IP Address:'), ...of('DNS:').filter((name) => /^[\w.-]+$/.test(name))];
}

/** Throws unless every check that OpenSSL would have made is passed. */
function judge(
  certificate: X509Certificate,
  socket: TLSSocket,
  { anchors }: Credentials,
  dialled: string | undefined,
): void {
  const complaint = String(socket.authorizationError);
  if (!CURABLE.has(complaint)) unacceptable(complaint);
  const now = Date.now();
  const anchor = anchors.find((candidate) => isIssuer(candidate, certificate));
  if (anchor === undefined) return unacceptable(`no authority of ours issued it (${complaint})`);
  checkAnchor(anchor, now);
  checkLeaf(certificate, now);
  if (dialled !== undefined && !isFor(certificate, dialled)) {
    unacceptable(`it is not for ${dialled}, but for ${certificate.subjectAltName ?? 'nobody'}`);
  }
}

function checkAnchor(anchor: X509Certificate, now: number): void {
  if (!anchor.ca) unacceptable('its issuer is no authority');
  if (!isValidAt(anchor, now)) unacceptable('its issuer has expired or is not valid yet');
}

function checkLeaf(certificate: X509Certificate, now: number): void {
  if (!isValidAt(certificate, now)) unacceptable('it has expired or is not valid yet');
  if (!usagesOf(certificate).includes(ANY_USAGE)) unacceptable('it is not for this use');
  if (rolesOf(certificate).length === 0) unacceptable('it grants no role');
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  if (type === 'rsa' && (details?.modulusLength ?? 0) < LEAST_RSA_BITS) {
    unacceptable('its key is too short');
  }
}

function isIssuer(anchor: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return certificate.checkIssued(anchor) && certificate.verify(anchor.publicKey);
  } catch {
    return false;
  }
}

function isValidAt({ validFrom, validTo }: X509Certificate, now: number): boolean {
  // A date that cannot be read makes both comparisons false.
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo);
}

function isFor(certificate: X509Certificate, name: string): boolean {
  return isIP(name) === 0
    ? certificate.checkHost(name, { subject: 'never' }) !== undefined
    : certificate.checkIP(name) !== undefined;
}

/** Node calls the extended key usages so; there are none where it gives nothing. */
function usagesOf(certificate: X509Certificate): readonly string[] {
  const usages: unknown = certificate.keyUsage;
  return Array.isArray(usages) ? usages.map(String) : [];
}

function readCertificates(pem: string, field: string): readonly X509Certificate[] {
  try {
    return (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
  } catch {
    return refuseText(field, 'a PEM certificate');
  }
}

function hasKeyOf(pem: string, certificate: X509Certificate): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}

/** Says nothing of the value, which may hold a key. */
function refuseText(field: string, expected: string): never {
  return refuse('…', field, expected);
}

function unacceptable(detail: string): never {
  throw new APIError('SNNET_SSNTP_CERTIFICATE', { detail });
}
