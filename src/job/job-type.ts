/** What a film can be made from. */
export const jobTypes = ['image_pairs', 'property_photos'] as const
export type JobType = (typeof jobTypes)[number]
