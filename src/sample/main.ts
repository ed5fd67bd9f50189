/** Draws the sample pictures into the folder that is named, in a process of its own: drawing takes memory that is not given back. */
import { makeSamplePhotographs } from './sample.ts'

process.once('disconnect', () => process.exit())
const paths = await makeSamplePhotographs(process.argv[2]!, (drawing) => process.send!({ drawing }))
process.send!({ paths }, () => process.disconnect())
