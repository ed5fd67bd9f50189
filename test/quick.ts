/** Whether this is the quick run (`vitest --mode fast`): it leaves out what repeats at length what other tests show in short. */
export const isQuick = process.env['MODE'] === 'fast'
