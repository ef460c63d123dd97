import type { NftExpression, NftNatFlag, NftVerdict } from './nft-step';

/** A rule's expressions one after the other, as `nft --debug=netlink` prints them. */
export function describeRule(expressions: readonly NftExpression[]): string {
  return expressions.map((expression) => `[ ${words(expression)} ]`).join(' ');
}

export function describeVerdict({ code, chain }: NftVerdict): string {
  return chain === undefined ? code : `${code} ${chain}`;
}

function words(expression: NftExpression): string {
  switch (expression.type) {
    case 'meta':
    case 'ct':
    case 'rt':
      return `${expression.type} load ${expression.key} => ${register(expression.dreg)}`;
    case 'meta.set':
    case 'ct.set':
      return `${expression.type.slice(0, -4)} set ${expression.key} with ${register(expression.sreg)}`;
    case 'payload': {
      const { base, offset, bytes, dreg } = expression;
      return `payload load ${String(bytes)}b @ ${base} header + ${String(offset)} => ${register(dreg)}`;
    }
    case 'cmp':
      return `cmp ${expression.op} ${register(expression.sreg)} 0x${expression.value}`;
    case 'bitwise': {
      const { sreg, dreg, mask, xor } = expression;
      return `bitwise ${register(dreg)} = ( ${register(sreg)} & 0x${mask} ) ^ 0x${xor}`;
    }
    case 'byteorder': {
      const { sreg, dreg, op, bytes, size } = expression;
      return `byteorder ${register(dreg)} = ${op}(${register(sreg)}, ${String(size)}, ${String(bytes)})`;
    }
    case 'lookup': {
      const { set, sreg, dreg, invert } = expression;
      const to = dreg === undefined ? '' : ` dreg ${dreg === 'verdict' ? dreg : String(dreg)}`;
      return `lookup ${register(sreg)} set ${set}${to}${invert === true ? ' not' : ''}`;
    }
    case 'immediate':
      return `immediate ${register(expression.dreg)} 0x${expression.value}`;
    case 'verdict':
      return `immediate reg verdict ${describeVerdict(expression.verdict)}`;
    case 'nat': {
      const { kind, family, address, port, flags } = expression;
      const to = port === undefined ? '' : ` proto ${register(port)}`;
      return `nat ${kind} ${family} addr ${register(address)}${to}${flagWords(flags)}`;
    }
    case 'masq':
      return `masq${flagWords(expression.flags)}`;
    case 'tcp-option':
      return tcpOptionWords(expression);
    case 'fib':
      return `fib ${expression.selectors.join(' . ')} ${expression.result} => ${register(expression.dreg)}`;
    case 'counter':
      return 'counter';
  }
}

function tcpOptionWords(
  expression: Extract<NftExpression, { readonly type: 'tcp-option' }>,
): string {
  const { option, offset, bytes, dreg = 0, sreg } = expression;
  const what = `${String(bytes)}b @ ${String(option)} + ${String(offset)}`;
  if (sreg !== undefined) return `exthdr write tcpopt ${register(sreg)} => ${what}`;
  return `exthdr load tcpopt ${what} => ${register(dreg)}`;
}

function register(number: number): string {
  return `reg ${String(number)}`;
}

function flagWords(flags: readonly NftNatFlag[] = []): string {
  return flags.length === 0 ? '' : ` flags ${flags.join(',')}`;
}
