/** What the kernel can answer to a step of each kind, and why. */
import type { StepOp } from '#lib/plan/index';

type Reasons = Readonly<Record<string, string>>;

const EVERYWHERE: Reasons = {
  EPERM: 'CAP_NET_ADMIN was given up meanwhile',
  ENOMEM: 'no memory in the kernel',
  ENOBUFS: 'the send or receive buffer is full',
};

const BY_KIND: Readonly<Record<StepOp, Reasons>> = {
  'link.create': {
    EEXIST: 'the name, the identifier or the tunnel is taken',
    EBUSY: 'the same, of Geneve; or an index in use',
    EOPNOTSUPP: 'the kernel has no such kind of link',
    EINVAL: 'the bridge it was to join is gone',
    ENODEV: 'the link below is gone',
    EXFULL: 'the bridge has 1024 ports',
    EAFNOSUPPORT: 'IPv6 is switched off',
  },
  'tap.create': {
    EEXIST: 'the name is taken',
    EBUSY: 'the index is taken, or the tap has as many queues as it may have',
    ENOENT: 'there is no /dev/net/tun',
    ENODEV: 'the module behind /dev/net/tun is not there',
    EMFILE: 'the process has no descriptor left',
    ENFILE: 'the machine has none left',
    EXFULL: 'the bridge has 1024 ports',
  },
  'link.set': {
    ENODEV: 'it is gone',
    EINVAL: 'the bridge is gone',
    EBUSY: 'it is in use by something that cannot be taken along',
    EEXIST: 'the name is taken',
    EOPNOTSUPP: 'its kind cannot do that',
    EXFULL: 'the bridge has 1024 ports',
  },
  'tunnel.set': {
    ENODEV: 'it is gone',
    EEXIST: 'there is one with these ends already',
    EOPNOTSUPP: 'its kind cannot be changed',
    EINVAL: 'an address that it cannot have',
  },
  'link.delete': {
    EBUSY: 'something holds it',
    EOPNOTSUPP: 'its kind cannot be deleted',
  },
  'address.add': {
    EEXIST: 'it is there',
    ENODEV: 'the link is gone',
    EINVAL: 'the link has no IPv4',
  },
  'address.delete': { EADDRNOTAVAIL: 'it is gone', ENODEV: 'the link is gone' },
  'route.add': {
    EEXIST: 'there is one',
    ENETUNREACH: 'nothing leads to its gateway',
    ENETDOWN: 'the link is down',
    ENODEV: 'the link is gone',
    EINVAL: 'a gateway that is none',
  },
  'route.delete': { ESRCH: 'it is gone' },
  'neighbour.add': {
    EEXIST: 'there is one',
    ENODEV: 'the link is gone',
    EINVAL: 'the link is down',
  },
  'neighbour.delete': { ENOENT: 'it is gone', ENODEV: 'the link is gone' },
  'fdb.add': {
    EEXIST: 'the address is at another port',
    ENODEV: 'the link is gone',
    EINVAL: 'it is no port of a bridge',
    ENOSPC: 'the table is full',
  },
  'fdb.delete': { ENOENT: 'it is gone', EINVAL: 'it is no port of a bridge' },
  'sysctl.set': {
    ENOENT: 'the link was renamed, or IPv6 is switched off',
    EROFS: '/proc/sys is read-only',
    EACCES: 'another user owns it',
    EINVAL: 'the kernel does not take the value',
  },
  nft: {
    EEXIST: 'somebody made what was to be made',
    ENOENT: 'somebody took what was to be changed',
    EBUSY: 'it is in use',
    EOPNOTSUPP: 'a flag or an expression that the kernel lacks',
    EINVAL: 'the same, of older ones',
    EOVERFLOW: 'a counter at its end',
  },
  'conntrack.delete': { EBUSY: 'it is being looked at', EOPNOTSUPP: 'no connection tracking' },
};

/** Names of errors to try at a step. */
export function errnosOf(op: StepOp): readonly string[] {
  return Object.keys({ ...BY_KIND[op], ...EVERYWHERE });
}
