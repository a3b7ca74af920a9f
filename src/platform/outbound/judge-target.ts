import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Settings } from '../../config/settings.js';
import { type HttpFailure, httpFailure } from './http-outcome.js';
import { judgeAddress } from './judge-address.js';

/** All addresses of a name. Throws when there are none. */
export type Lookup = (hostname: string) => Promise<readonly string[]>;

export type AllowedTargets = Pick<Settings, 'OUTBOUND_ALLOW_HOSTS' | 'OUTBOUND_ALLOW_CIDRS'>;

/**
 * The addresses to which a request may connect, all judged; to no other may it connect. One bad address refuses the whole
 * name: which of several would be used is the network's choice, and a name that mixes public and private ones is either
 * an attack or a mistake to be told. IP literals are judged like what a lookup returns; Node never looks them up.
 */
export async function judgeTarget(
  url: URL,
  allowed: AllowedTargets,
  lookUp: Lookup,
): Promise<{ ok: true; addresses: readonly string[] } | HttpFailure> {
  const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(literal) > 0 ? [literal] : await lookUp(url.hostname).catch(() => []);
  if (addresses.length === 0) {
    const message = `The host of ${url.origin} has no address. Check its spelling, or try again when it can be looked up.`;
    return httpFailure('HTTP_HOST_UNKNOWN', message);
  }
  const verdicts = addresses.map((address) => judgeAddress(address, allowed.OUTBOUND_ALLOW_CIDRS));
  if (verdicts.includes('never'))
    return refused(url, 'Change the URL: no setting opens link-local, metadata or multicast addresses.');
  if (verdicts.includes('closed') && !allowed.OUTBOUND_ALLOW_HOSTS.some((host) => matches(url, host))) {
    const what =
      'If it shall be called, an operator adds it to OUTBOUND_ALLOW_HOSTS or its network to OUTBOUND_ALLOW_CIDRS.';
    return refused(url, what);
  }
  return { ok: true, addresses };
}

/** The names of the system, hosts file included, as operators expect it. */
export async function lookUpName(hostname: string): Promise<string[]> {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
}

/** The address is not told: it would show the inside of the network to whoever can write a workflow. */
function refused(url: URL, what: string): HttpFailure {
  return httpFailure('HTTP_ADDRESS_REFUSED', `${url.origin} leads to an address that is not public. ${what}`);
}

function matches(url: URL, { host, below, port }: AllowedTargets['OUTBOUND_ALLOW_HOSTS'][number]): boolean {
  const hostname = url.hostname.replace(/\.$/, '');
  const portOfUrl = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  if (port !== null && port !== portOfUrl) return false;
  return below ? hostname.endsWith(`.${host}`) : hostname === host;
}
