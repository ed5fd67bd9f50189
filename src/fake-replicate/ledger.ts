/** The fake's record of requests, actions and bills: the truth that tests compare with. */
import type { Fault, FaultOf } from './fault.ts'

export const markPattern = /wc-[0-9a-f]{12}-[0-9a-f-]{36}/

export type EndStatus = 'succeeded' | 'failed' | 'canceled' | 'aborted'
export type WebhookEvent = 'start' | 'output' | 'logs' | 'completed'

interface Noted {
  /** ms since the epoch, by the fake's clock. */
  readonly at: number
}

/** A POST that requested a prediction. */
export interface PostEntry extends Noted {
  readonly what: 'post'
  /** Counted from 1, as in a plan. */
  readonly n: number
  /** The first mark in the input, or in the name of an uploaded file that the input points to. */
  readonly mark: string | null
  readonly model: string
  readonly created: boolean
  readonly prediction: string | null
  /** The fault of the POST, or planned for its prediction. */
  readonly fault: Fault | null
}

export interface EndedEntry extends Noted {
  readonly what: 'ended'
  readonly prediction: string
  readonly mark: string | null
  readonly status: EndStatus
  readonly billed_micros: number
  /** Requested length of the clip, in seconds. */
  readonly seconds: number
}

/** A clip's bytes were sent completely. */
export interface FetchedEntry extends Noted {
  readonly what: 'fetched'
  readonly prediction: string
}

/** A clip's URL answers 404 from now on. */
export interface GoneEntry extends Noted {
  readonly what: 'gone'
  readonly prediction: string
}

/** One try to deliver an event. */
export interface WebhookEntry extends Noted {
  readonly what: 'webhook'
  readonly prediction: string
  readonly event: WebhookEvent
  /** The receiver's status; null without a response, or if nothing was sent. */
  readonly status: number | null
  readonly fault: FaultOf<'webhook'> | null
}

export type Entry = PostEntry | EndedEntry | FetchedEntry | GoneEntry | WebhookEntry
