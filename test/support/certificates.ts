/**
 * Certificates of the two families that SSNTP programs have, made anew for each run: what ciao-cert
 * makes, and what one would make with OpenSSL today. Written as DER by hand, since the first family
 * lacks what tools add by themselves, and some must have expired.
 */
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export type Family = 'ciao' | 'openssl';

export interface CertificateOptions {
  readonly family?: Family;
  /** OIDs below 1.3.6.1.4.1.343.8: 2 a scheduler, 5 a server, 6 a CNCI agent. */
  readonly roles: readonly number[];
  readonly name?: string;
  /** `DNS:…` or four numbers. */
  readonly names?: readonly string[];
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly issuer?: Authority;
  readonly isCa?: boolean;
  readonly rsaBits?: number;
  /** What it is for beside its roles. Default: as its family has it. */
  readonly usages?: readonly string[];
}

export interface Authority {
  readonly subject: Buffer;
  readonly key: KeyObject;
  readonly family: Family;
}

export interface Issued extends Authority {
  readonly certificate: string;
  /** The certificate, then its key: the file that both ends read. */
  readonly pem: string;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const OCTETS = 0x04;
const BITS = 0x03;
const DAY_MS = 86_400_000;
/** Any; servers and clients. */
const USAGES: Readonly<Record<Family, readonly string[]>> = {
  ciao: ['2.5.29.37.0'],
  openssl: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
};

/** A certificate; without an issuer it is its own. */
export function issue(options: CertificateOptions): Issued {
  const family = options.family ?? options.issuer?.family ?? 'openssl';
  const { publicKey, privateKey } =
    options.rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: options.rsaBits });
  const subject = subjectOf(family, options.name ?? 'peer');
  const issuer = options.issuer ?? { subject, key: privateKey, family };
  const algorithm = algorithmOf(issuer.key);
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    issuer.subject,
    der(SEQUENCE, time(options.from ?? -1), time(options.to ?? 30)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensionsOf(options, family))),
  );
  const signature = sign('sha256', body, issuer.key);
  const whole = der(SEQUENCE, body, algorithm, der(BITS, Buffer.from([0]), signature));
  const lines = whole
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  const certificate = `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { certificate, pem: certificate + key, subject, key: privateKey, family };
}

/** An authority, which is its scheduler too in the original's family. */
export function authority(family: Family, options: Partial<CertificateOptions> = {}): Issued {
  return issue({
    family,
    roles: family === 'ciao' ? [2] : [],
    name: 'authority',
    names: [[127, 0, 0, 1].join('.'), 'DNS:localhost'],
    isCa: true,
    ...options,
  });
}

function subjectOf(family: Family, name: string): Buffer {
  const organization = attribute('2.5.4.10', 'Ciao Deployment');
  // All of ciao-cert's have one subject.
  return family === 'ciao'
    ? der(SEQUENCE, organization)
    : der(SEQUENCE, organization, attribute('2.5.4.3', name));
}

function attribute(type: string, value: string): Buffer {
  return der(SET, der(SEQUENCE, oid(type), der(0x0c, Buffer.from(value))));
}

function extensionsOf(options: CertificateOptions, family: Family): readonly Buffer[] {
  const usages = [
    ...(options.usages ?? USAGES[family]),
    ...options.roles.map((role) => `1.3.6.1.4.1.343.8.${role}`),
  ];
  const isCa = options.isCa === true;
  return [
    extension('2.5.29.19', der(SEQUENCE, ...(isCa ? [der(0x01, Buffer.from([0xff]))] : []))),
    // Signing and, for an authority, certificates.
    extension('2.5.29.15', der(BITS, Buffer.from(isCa ? [2, 0xa4] : [5, 0xa0]))),
    ...(isCa && family === 'openssl'
      ? []
      : [extension('2.5.29.37', der(SEQUENCE, ...usages.map(oid)))]),
    extension('2.5.29.17', der(SEQUENCE, ...(options.names ?? ['DNS:nobody']).map(nameOf))),
  ];
}

function extension(id: string, value: Buffer): Buffer {
  return der(SEQUENCE, oid(id), der(OCTETS, value));
}

function nameOf(name: string): Buffer {
  return name.startsWith('DNS:')
    ? der(0x82, Buffer.from(name.slice(4)))
    : der(0x87, Buffer.from(name.split('.').map(Number)));
}

function algorithmOf(key: KeyObject): Buffer {
  return createPublicKey(key).asymmetricKeyType === 'rsa'
    ? der(SEQUENCE, oid('1.2.840.113549.1.1.11'), der(0x05))
    : der(SEQUENCE, oid('1.2.840.10045.4.3.2'));
}

function time(days: number): Buffer {
  const text = new Date(Date.now() + days * DAY_MS).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), body]);
}
