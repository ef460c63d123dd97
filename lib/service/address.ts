import { parsePath, refuse, tryParseIpv4 } from '../model';

/** Where a service listens. */
export type ServiceAddress =
  | { readonly type: 'unix'; readonly path: string }
  /** Port 0: one that is free. */
  | { readonly type: 'tcp'; readonly host: string; readonly port: number };

// linux/un.h: 108 bytes with the closing zero; the socket is made under a name of 12 bytes first.
const LONGEST_SOCKET = 107;
const EXPECTED = 'unix:///path or tcp://127.0.0.1:port';
const TCP = /^(?:tcp|http):\/\/(\[::1\]|[^/:[\]]+):(\d{1,5})\/?$/;

/** Parses where to listen: a path, `unix://` and a path, or `tcp://` and an address of this machine. */
export function parseAddress(value: unknown, field: string): ServiceAddress {
  if (typeof value !== 'string') return refuse(value, field, EXPECTED);
  if (value.startsWith('/')) return parseSocket(value, value, field);
  if (value.startsWith('unix://')) return parseSocket(value, value.slice('unix://'.length), field);
  return parseTcp(value, field);
}

function parseSocket(value: string, text: string, field: string): ServiceAddress {
  const path = parsePath(text, field);
  if (Buffer.byteLength(path) > LONGEST_SOCKET) {
    const detail = `${String(Buffer.byteLength(path))} bytes`;
    return refuse(value, field, `a path of at most ${String(LONGEST_SOCKET)} bytes`, detail);
  }
  return { type: 'unix', path };
}

function parseTcp(value: string, field: string): ServiceAddress {
  const [, host = '', digits = ''] = TCP.exec(value) ?? [];
  const port = Number(digits);
  if (host === '' || port > 65_535) return refuse(value, field, EXPECTED);
  const isLoopback = host === '[::1]' || tryParseIpv4(host)?.startsWith('127.') === true;
  if (!isLoopback) {
    const detail = 'nobody who connects has to prove who he is';
    return refuse(value, field, 'a loopback address, 127.0.0.1 or [::1]', detail);
  }
  return { type: 'tcp', host: host.replace(/^\[|\]$/g, ''), port };
}

/** The address as a URL. */
export function formatAddress(address: ServiceAddress): string {
  if (address.type === 'unix') return `unix://${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `tcp://${host}:${String(address.port)}`;
}
