/** Limits the requests of each caller by a token bucket, which refills over time. */
import ipaddr from 'ipaddr.js'
import type { Host } from '../../host.ts'

export interface Taken {
  readonly isAllowed: boolean
  /** Tokens of a full bucket, and tokens added per minute. */
  readonly limit: number
  readonly remaining: number
  /** Seconds until the bucket is full again. */
  readonly fullInSeconds: number
  /** Seconds until there is a token; 0 where there is one. */
  readonly retryInSeconds: number
}

export interface RateLimit {
  /** Takes one of the caller's tokens, if there is one. */
  take(caller: string): Taken
}

export interface RateLimitOptions {
  readonly perMinute: number
  readonly host: Pick<Host, 'monotonic'>
  /** How many nodes share the limit now: each allows its part. Default: 1. */
  readonly sharedBy?: () => number
  /** Above this number, the least recently used bucket is dropped: its caller starts with a full one. */
  readonly mostBuckets?: number
}

interface Bucket {
  readonly tokens: number
  readonly at: number
}

export function createRateLimit({
  perMinute: ofAll,
  host,
  sharedBy = () => 1,
  mostBuckets = 10_000,
}: RateLimitOptions): RateLimit {
  /** Least recently used first. */
  const buckets = new Map<string, Bucket>()

  return {
    take(caller) {
      const perMinute = Math.max(1, Math.floor(ofAll / sharedBy()))
      const perMs = perMinute / 60_000
      const secondsFor = (tokens: number): number => Math.ceil(Math.max(0, tokens) / perMs / 1000)
      const now = host.monotonic()
      const { tokens, at } = buckets.get(caller) ?? { tokens: perMinute, at: now }
      const filled = Math.min(perMinute, tokens + (now - at) * perMs)
      const isAllowed = filled >= 1
      const left = isAllowed ? filled - 1 : filled
      buckets.delete(caller)
      buckets.set(caller, { tokens: left, at: now })
      if (buckets.size > mostBuckets) buckets.delete(buckets.keys().next().value!)
      return {
        isAllowed,
        limit: perMinute,
        remaining: Math.floor(left),
        fullInSeconds: secondsFor(perMinute - left),
        retryInSeconds: secondsFor(1 - left),
      }
    },
  }
}

/** A caller's address; of IPv6 its /64 network, as one customer has 2^64 addresses. */
export function callerAt(address: string | undefined): string {
  if (address === undefined || !ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  return parsed instanceof ipaddr.IPv6 && parsed.range() !== 'loopback'
    ? `${parsed.parts
        .slice(0, 4)
        .map((part) => part.toString(16))
        .join(':')}::/64`
    : parsed.toString()
}

export const isLoopbackCaller = (caller: string): boolean => caller === '::1' || caller.startsWith('127.')
