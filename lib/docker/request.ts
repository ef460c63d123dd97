import { describeValue } from '../errors';
import { prefixLength, tryParseIpv4 } from '../model';
import type { Ipv4Address, Ipv4Cidr } from '../model';

/** Why docker does not get what it asks for: the text reaches whoever typed the command. */
export class Refusal extends Error {
  /** Of HTTP. */
  readonly status: number;

  constructor(message: string, status = 500) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
  }
}

type Json = Readonly<Record<string, unknown>>;

// pkg/plugins/client.go of docker 20.10, callWithRetry: the body was read by the first attempt.
const EMPTY =
  'the request is empty: docker sends it so when it asks once more after a connection broke; try again';
const LONGEST_ID = 256;
const ID = /^[\x21-\x7e]+$/;

/**
 * What docker asks, read field by field: fields that nobody asks for may be there, and what is read
 * has the right type or is refused.
 */
export class RequestBody {
  readonly #fields: Json;
  readonly #path: string;

  constructor(fields: Json, path = '') {
    this.#fields = fields;
    this.#path = path;
  }

  /** Parses the body of a request; docker sends some with none. */
  static parse(text: string): RequestBody {
    if (text === '') return new RequestBody({});
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Refusal(`the request is not JSON: ${why}`, 400);
    }
    if (isObject(value)) return new RequestBody(value);
    throw new Refusal(`the request is ${describeValue(value)}, not a JSON object`, 400);
  }

  /** An id that docker chose. */
  id(name: string): string {
    const value = this.#fields[name];
    if (typeof value === 'string' && value.length <= LONGEST_ID && ID.test(value)) return value;
    return this.#refuse(name, 'an id');
  }

  /** The empty string where it is absent. */
  text(name: string): string {
    const value = this.#fields[name] ?? '';
    return typeof value === 'string' ? value : this.#refuse(name, 'a text');
  }

  isSet(name: string): boolean {
    return this.#fields[name] === true;
  }

  /** Without fields where it is absent. */
  object(name: string): RequestBody {
    const value = this.#fields[name] ?? {};
    if (isObject(value)) return new RequestBody(value, `${this.#path}${name}.`);
    return this.#refuse(name, 'an object');
  }

  /** Empty where it is absent. */
  list(name: string): readonly RequestBody[] {
    const value = this.#fields[name] ?? [];
    if (!Array.isArray(value)) return this.#refuse(name, 'a list');
    return value.map((item: unknown, index) => {
      const path = `${this.#path}${name}[${String(index)}]`;
      if (isObject(item)) return new RequestBody(item, `${path}.`);
      throw new Refusal(`${path} is ${describeValue(item)}, where an object was expected`);
    });
  }

  /** An address, with or without a prefix length; nothing where it is absent or empty. */
  address(name: string): Ipv4Address | undefined {
    const text = this.text(name);
    if (text === '') return undefined;
    const [address = ''] = text.split('/');
    return tryParseIpv4(address) ?? this.#refuse(name, 'an IPv4 address');
  }

  #refuse(name: string, expected: string): never {
    const value = this.#fields[name];
    if (Object.keys(this.#fields).length === 0 && this.#path === '') throw new Refusal(EMPTY);
    const found = value === undefined ? 'absent' : describeValue(value);
    throw new Refusal(`${this.#path}${name} is ${found}, where ${expected} was expected`);
  }
}

/** An address with the prefix length of its network, as docker wants it. */
export function inNetwork(address: Ipv4Address, network: Ipv4Cidr): string {
  return `${address}/${String(prefixLength(network))}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
