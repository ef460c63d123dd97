/**
 * Changes of nftables as plain data, in the words of the kernel (uapi/linux/netfilter/nf_tables.h): what
 * `nft` compiles rules to. All commands of one step are one transaction: they are done together or not
 * at all.
 */

export type NftFamily = 'inet' | 'ip' | 'ip6' | 'bridge' | 'netdev';

/** Where a command acts. */
interface InTable {
  readonly family: NftFamily;
  readonly table: string;
}

export type NftTableFlag = 'owner' | 'persist' | 'dormant';

/**
 * What is added must not be there yet, here as with everything below: an inverse takes back only what
 * its step made. `table.set` gives flags to a table that is there, which is how one that outlived its
 * owner gets a new one.
 */
export interface NftTableCommand extends InTable {
  readonly op: 'table.add' | 'table.set' | 'table.delete';
  /** `owner`: only the socket that made it may change it; `persist`: it outlives that socket (6.9). */
  readonly flags?: readonly NftTableFlag[];
}

export type NftHook =
  'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';

/** Where a base chain is called. */
export interface NftBase {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: NftHook;
  readonly priority: number;
  readonly policy?: 'accept' | 'drop';
  /** Of the family netdev. */
  readonly device?: string;
}

export interface NftChainCommand extends InTable {
  readonly op: 'chain.add' | 'chain.delete' | 'chain.flush';
  readonly chain: string;
  /** Left out: a chain that rules jump to. */
  readonly base?: NftBase;
}

/**
 * Types of a key or of a map's data, as `nft` lists them. Of several in a row each is padded to four
 * bytes.
 */
export type NftType =
  | 'ipv4_addr'
  | 'ether_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'iface_index'
  | 'ct_state'
  | 'verdict';

export interface NftSetDelete extends InTable {
  readonly op: 'set.delete';
  readonly set: string;
}

export interface NftSetCommand extends InTable {
  readonly op: 'set.add';
  readonly set: string;
  /** More than one, and at most five: a concatenation. */
  readonly key: readonly NftType[];
  /** Makes it a map. */
  readonly data?: readonly NftType[];
  /** `constant`: its elements come in the same transaction, or never. */
  readonly flags?: readonly 'constant'[];
  /**
   * The most elements it may have, 1 to 1,048,576. The kernel then makes its hash table once and for all
   * (`nft_hash` instead of `nft_rhash`, nft_set_hash.c): eight bytes a bucket, 4/3 buckets an element,
   * rounded up to a power of two.
   */
  readonly size?: number;
}

/** What a rule or a verdict map decides. */
export interface NftVerdict {
  readonly code: 'accept' | 'drop' | 'continue' | 'return' | 'jump' | 'goto';
  /** Of `jump` and `goto`. */
  readonly chain?: string;
}

export interface NftElementsCommand extends InTable {
  readonly op: 'elements.add' | 'elements.delete';
  readonly set: string;
  /** Bytes of one key, as the set has them: 2 for a port alone, 8 for a protocol and a port. */
  readonly keyBytes: number;
  /** Bytes of the data after it; 0 for a set and for a verdict map. A deletion skips them. */
  readonly dataBytes: number;
  /**
   * Key, data, key, data, …, each padded to four bytes, fields in the order that they have in memory
   * (addresses and ports in network order): thousands of them cross to the kernel as one buffer.
   */
  readonly packed: Uint8Array;
  /** Of a verdict map: one for each element. */
  readonly verdicts?: readonly NftVerdict[];
}

export interface NftRuleCommand extends InTable {
  /** `rule.insert` puts it first. */
  readonly op: 'rule.add' | 'rule.insert';
  readonly chain: string;
  readonly expressions: readonly NftExpression[];
  /** What `nft` shows as the rule's comment; at most 128 bytes. */
  readonly comment?: string;
}

export type NftRuleDelete = InTable & {
  readonly op: 'rule.delete';
  readonly chain: string;
} & (
    | {
        /** As a dump gave it. */
        readonly handle: number;
      }
    | {
        /** In an inverse: the number of the command that added the rule, in the step to undo. */
        readonly addedBy: number;
      }
  );

export type NftCommand =
  | NftTableCommand
  | NftChainCommand
  | NftSetCommand
  | NftSetDelete
  | NftElementsCommand
  | NftRuleCommand
  | NftRuleDelete;

/** One of sixteen registers of four bytes (NFT_REG32_00 and on); longer values take several in a row. */
export type NftRegister = number;

/** One instruction of a rule. Values are lower-case hexadecimal, in the order that they have in memory. */
export type NftExpression =
  | { readonly type: 'meta'; readonly key: NftMetaKey; readonly dreg: NftRegister }
  | { readonly type: 'meta.set'; readonly key: 'mark' | 'nftrace'; readonly sreg: NftRegister }
  | {
      readonly type: 'payload';
      readonly base: 'link' | 'network' | 'transport';
      readonly offset: number;
      readonly bytes: number;
      readonly dreg: NftRegister;
    }
  | {
      readonly type: 'cmp';
      readonly op: 'eq' | 'neq' | 'lt' | 'lte' | 'gt' | 'gte';
      readonly sreg: NftRegister;
      readonly value: string;
    }
  | {
      readonly type: 'bitwise';
      readonly sreg: NftRegister;
      readonly dreg: NftRegister;
      readonly mask: string;
      readonly xor: string;
    }
  | {
      readonly type: 'byteorder';
      readonly sreg: NftRegister;
      readonly dreg: NftRegister;
      readonly op: 'hton' | 'ntoh';
      readonly bytes: number;
      readonly size: 2 | 4 | 8;
    }
  | { readonly type: 'ct'; readonly key: NftCtKey; readonly dreg: NftRegister }
  | { readonly type: 'ct.set'; readonly key: 'mark'; readonly sreg: NftRegister }
  | {
      readonly type: 'lookup';
      readonly set: string;
      readonly sreg: NftRegister;
      /** Of a map; `verdict` for a verdict map; left out for a set. */
      readonly dreg?: NftRegister | 'verdict';
      readonly invert?: boolean;
    }
  | { readonly type: 'immediate'; readonly dreg: NftRegister; readonly value: string }
  | { readonly type: 'verdict'; readonly verdict: NftVerdict }
  | {
      readonly type: 'nat';
      readonly kind: 'snat' | 'dnat';
      readonly family: 'ip' | 'ip6';
      readonly address: NftRegister;
      readonly port?: NftRegister;
      readonly flags?: readonly NftNatFlag[];
    }
  | { readonly type: 'masq'; readonly flags?: readonly NftNatFlag[] }
  | {
      /** A TCP option's bytes; `sreg` writes them. */
      readonly type: 'tcp-option';
      readonly option: number;
      readonly offset: number;
      readonly bytes: number;
      readonly dreg?: NftRegister;
      readonly sreg?: NftRegister;
    }
  | { readonly type: 'rt'; readonly key: 'tcpmss'; readonly dreg: NftRegister }
  | {
      readonly type: 'fib';
      readonly selectors: readonly ('saddr' | 'daddr' | 'mark' | 'iif' | 'oif')[];
      readonly result: 'oif' | 'oifname' | 'addrtype';
      readonly dreg: NftRegister;
    }
  | { readonly type: 'counter' };

export type NftMetaKey =
  | 'protocol'
  | 'mark'
  | 'iif'
  | 'oif'
  | 'iifname'
  | 'oifname'
  | 'nfproto'
  | 'l4proto'
  | 'pkttype'
  | 'iifkind'
  | 'oifkind';

export type NftCtKey = 'state' | 'direction' | 'status' | 'mark' | 'zone';
export type NftNatFlag = 'random' | 'fully-random' | 'persistent';

/** One transaction; the inverse takes the commands back, last first. */
export interface NftStep {
  readonly op: 'nft';
  readonly commands: readonly NftCommand[];
  /**
   * What undoes it, where the mirror image of the commands does not: a deletion cannot be undone without
   * knowing what was there.
   */
  readonly before?: readonly NftCommand[];
}

/**
 * Ends flows that connection tracking knows by exact tuple; what is not there is a success. No inverse:
 * a flow that matters comes again.
 */
export interface ConntrackDelete {
  readonly op: 'conntrack.delete';
  readonly flows: readonly ConntrackTuple[];
}

/** The original direction of a flow. */
export interface ConntrackTuple {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly source: string;
  readonly destination: string;
  /** For ICMP: the identifier. */
  readonly sourcePort: number;
  /** For ICMP: type × 256 + code. */
  readonly destinationPort: number;
  readonly zone?: number;
}
