/** Speaks to a plugin as docker does: no Content-Type, an empty Host, connections that stay. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { OutgoingHttpHeaders, RequestOptions } from 'node:http';
import { join } from 'node:path';
import { collect } from '../../support/run';
import { PACKAGE_ROOT } from '../../support/child';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** Where the plugin is: as it says itself, `unix:///path` or `tcp://host:port`. */
export class DockerClient implements Disposable {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #where: RequestOptions;

  constructor(address: string | undefined) {
    const url = new URL(address ?? 'none:');
    this.#where =
      url.protocol === 'unix:'
        ? { socketPath: url.pathname }
        : { host: url.hostname.replaceAll(/[[\]]/g, ''), port: url.port };
  }

  /** Asks with an object, a text as it stands, or nothing at all. */
  ask(path: string, body?: object | string | null, options: AskOptions = {}): Promise<Answer> {
    const text = textOf(body);
    const headers = {
      Host: '',
      'User-Agent': 'Go-http-client/1.1',
      'Content-Length': Buffer.byteLength(text),
      Accept: 'application/vnd.docker.plugins.v1.2+json',
      ...options.headers,
    };
    const { method = 'POST' } = options;
    return new Promise((resolve, reject) => {
      const call = request(
        { ...this.#where, agent: this.#agent, path, method, headers, setHost: false },
        (response) => {
          const said = collect(response);
          response.once('error', reject);
          response.once('end', () => {
            const { statusCode: status = 0, headers: heard } = response;
            const body: unknown = said() === '' ? undefined : JSON.parse(said());
            resolve({ status, type: heard['content-type'] ?? '', body });
          });
        },
      );
      call.once('error', reject);
      call.end(text);
    });
  }

  /** Asks, and expects to be given it. */
  async get(path: string, body?: object | null): Promise<Record<string, unknown>> {
    const answer = await this.ask(path, body);
    expect({ path, ...answer }).toMatchObject({ path, status: 200 });
    return answer.body as Record<string, unknown>;
  }

  /** Asks, and expects to be refused; gives the words. */
  async refusal(
    path: string,
    body?: object | string | null,
    options?: AskOptions,
  ): Promise<string> {
    const { status, body: said } = await this.ask(path, body, options);
    const { Err, Error: error } = said as { Err?: string; Error?: string };
    expect({ path, isRefused: status >= 400, Err: typeof Err }).toEqual({
      path,
      isRefused: true,
      Err: 'string',
    });
    // The network driver's errors are read from one, the IPAM driver's from the other.
    expect(error).toBe(Err);
    return `${String(status)} ${Err ?? ''}`;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function textOf(body: object | string | null | undefined): string {
  if (typeof body === 'string') return body;
  return body === null || body === undefined ? '' : JSON.stringify(body);
}

/** One line of a recorded conversation: what somebody typed, or a request of docker's and its answer. */
export interface Recorded {
  readonly command?: string;
  readonly path?: string;
  readonly request?: object | null;
  readonly answer?: Record<string, unknown>;
}

/** What docker 20.10 said to a plugin, from `test/fixtures/docker`. */
export function recordedTalk(name: string): Recorded[] {
  const file = join(PACKAGE_ROOT, 'test', 'fixtures', 'docker', `${name}.jsonl`);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Recorded);
}
