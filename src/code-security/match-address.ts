import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Address, isWithin, parseAddress } from '../platform/outbound/judge-address.js';

/** Whether a text is an IP address, or a network such as `10.1.0.0/16`, without a zone. */
export function isAddressOrNetwork(text: string): boolean {
  return parseNetwork(text) !== null;
}

/**
 * Whether an address is in one of the networks. IPv4-mapped IPv6 addresses and networks count as the IPv4 ones that they
 * stand for, on both sides. An address that is not known is in none.
 */
export function isInNetworks(address: string | null, networks: readonly string[]): boolean {
  if (address === null || isIP(address) === 0) return false;
  return isWithin(
    parseAddress(address),
    networks.flatMap((text) => [parseNetwork(text)].filter((network) => network !== null)),
  );
}

function parseNetwork(text: string): [Address, number] | null {
  const [, address = '', prefix] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return null;
  const parsed = parseAddress(address);
  const whole = isIP(address) === 4 ? 32 : 128;
  const bits = prefix === undefined ? whole : Number(prefix);
  if (bits > whole) return null;
  const isMapped = whole === 128 && parsed instanceof ipaddr.IPv4;
  if (!isMapped) return [parsed, bits];
  return bits >= 96 ? [parsed, bits - 96] : null; // wider than all of IPv4: written so, it means no network of either kind
}
