import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// Tests look at what people get.
process.env['NODE_ENV'] = 'production'

export default defineConfig({
  root: import.meta.dirname,
  // The server answers to these names alone.
  base: '/page/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The server reads in it which files each page needs.
    manifest: 'manifest.json',
    target: 'baseline-widely-available',
    // The page may load nothing but files of the server.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
})
