import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

export interface OutboundHost {
  /** As URLs spell it: lower case, punycode, IP literals normalised, without a dot at the end. */
  host: string;
  /** The entry began with `*.`: names below `host` are meant, and not `host` itself. */
  below: boolean;
  /** Null for every port. */
  port: number | null;
}

/** An entry of `OUTBOUND_ALLOW_HOSTS`: `host`, `host:port`, `*.host` or `*.host:port`. */
export const outboundHost = z.string().transform((text, context): OutboundHost => {
  const [, star, name = '', port] = /^(\*\.)?(\[[\da-f:.]+\]|[^\s:/\\?#@*[\]]+)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = URL.canParse(`http://${name}`) ? new URL(`http://${name}`).hostname.replace(/\.$/, '') : '';
  if (host === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) {
    context.addIssue(`${text} is no host; write host, host:port or *.host, and IPv6 addresses in brackets`);
    return z.NEVER;
  }
  return { host, below: star !== undefined, port: port === undefined ? null : Number(port) };
});

/** An entry of `OUTBOUND_ALLOW_CIDRS`, such as `10.1.0.0/16`; an address alone is a network of one. */
export const outboundNetwork = z.string().transform((text, context): string => {
  const [address = '', prefix = isIP(address) === 4 ? '32' : '128'] = text.split('/');
  const network = `${address}/${prefix}`;
  if (isIP(address) === 0 || !ipaddr.isValidCIDR(network) || text.split('/').length > 2 || address.includes('%')) {
    context.addIssue(`${text} is no network; write it like 10.1.0.0/16 or fd12:3456::/48`);
    return z.NEVER;
  }
  // Addresses are compared in their IPv4 form, so it would never match.
  if (ipaddr.parse(address).range() === 'ipv4Mapped') context.addIssue(`${text} has to be written as an IPv4 network`);
  return network;
});
