import type { Server } from 'node:http';
import { createRequire } from 'node:module';

import type * as Fastify from 'fastify';

type HttpServerOptions = Fastify.FastifyHttpOptions<Server>;

const NO_SCHEMAS = (): never => {
  throw new Error('our routes have no schemas');
};

/**
 * An HTTP server. The library is loaded when it is first needed: a launcher that serves nothing does
 * without; and without its compilers of schemas, which take twice as long to load as all else of it.
 */
export function makeHttpServer(options: HttpServerOptions): Fastify.FastifyInstance {
  const { fastify } = createRequire(__filename)('fastify') as typeof Fastify;
  const compilersFactory = { buildValidator: NO_SCHEMAS, buildSerializer: NO_SCHEMAS };
  return fastify({ ...options, schemaController: { compilersFactory } });
}
