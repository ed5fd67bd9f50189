/** What somebody may give as a name so that a terminal or a log shows something else than what happened. */
export const hostile = [
  '\u001b[2J\u001b[1;1H',
  '\u001b]0;owned\u0007',
  '\u001b[8m',
  '\u009b31m',
  '\u0000',
  '\u007f',
  'one\ntwo',
  'one\r\n[Workflow.Coordinator] Job 1 marked as completed',
  'one\rtwo',
  'one\u0085two',
  'one\u2028two',
  'bar\b\b\b',
  '\u202egnp.exe',
  '\u2066isolated\u2069',
  'pay\u200bpal',
  '\u200e\u200f\u061c',
  '\ufeff\u2060\u00ad',
  '\u{e0041}\u{e007f}',
] as const

/** Any of it, where a line may hold none: C0, C1, line separators, what turns text around, what is not seen. */
export const hidden =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/u
