/** The styles of the reference page. */
export const referenceStyle = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d2329; --soft: #5d6873; --line: #e3e0da; --code: #f3f1ec;
  --accent: #2457a6; --get: #1f6f4a; --post: #2457a6; --put: #8a5a00; --delete: #a8322a; --good: #1f6f4a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f23; --ink: #e4e7ea; --soft: #98a3ad; --line: #2d3339; --code: #22272c;
    --accent: #8ab4f8; --get: #7fd1a5; --post: #8ab4f8; --put: #e3b15c; --delete: #f29b93; --good: #7fd1a5;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4.5rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
code, pre { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: .88em; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .6rem; z-index: 3; background: var(--card); padding: .3rem .6rem; }

header { position: sticky; top: 0; z-index: 2; display: flex; gap: 1rem; align-items: center; padding: .65rem 1.5rem;
  background: var(--paper); border-bottom: 1px solid var(--line); }
h1 { margin: 0; font-size: 1rem; font-weight: 650; white-space: nowrap; }
.version { color: var(--soft); font-weight: 400; margin-left: .25rem; }
.search { flex: 1; display: flex; justify-content: flex-end; }
.search input { width: 100%; max-width: 22rem; padding: .4rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; }
.raw { font-size: .9rem; white-space: nowrap; }

.columns { display: grid; grid-template-columns: 15.5rem minmax(0, 54rem); gap: 2.5rem; padding: 0 1.5rem; max-width: 76rem;
  margin: 0 auto; }
nav { position: sticky; top: 3.4rem; align-self: start; max-height: calc(100vh - 3.4rem); overflow-y: auto; padding: 1.25rem 0 3rem; }
nav h2 { margin: 1.1rem 0 .3rem; font-size: .74rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); }
nav section:first-child h2 { margin-top: 0; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: flex; gap: .5rem; align-items: baseline; padding: .12rem .25rem; color: var(--ink); font-size: .85rem;
  overflow-wrap: anywhere; }
nav .method { font-size: .62rem; min-width: 2.9rem; }
main { padding: 1.25rem 0 6rem; min-width: 0; }
.about p { margin: 0 0 .6rem; max-width: 46rem; color: var(--soft); }
.about code, .facts code, .answer > p code, dd code { background: var(--code); padding: .1em .3em; border-radius: 4px; }
.group > h2 { margin: 2rem 0 0; font-size: 1.15rem; font-weight: 650; text-transform: capitalize; }
.group-about { margin: .1rem 0 .8rem; color: var(--soft); }

.operation { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: .5rem 0; }
.operation > summary { display: flex; flex-wrap: wrap; gap: .15rem .8rem; align-items: baseline; padding: .6rem .9rem; cursor: pointer;
  list-style: none; border-radius: 10px; }
.operation > summary::-webkit-details-marker { display: none; }
.operation > summary:hover { background: var(--code); }
.operation[open] > summary { border-bottom: 1px solid var(--line); border-radius: 10px 10px 0 0; }
.operation h3 { margin: 0; font-size: .95rem; font-weight: 600; display: flex; gap: .6rem; align-items: baseline; overflow-wrap: anywhere; }
.says { color: var(--soft); font-size: .9rem; }
.method { font: 650 .72rem ui-monospace, Menlo, Consolas, monospace; min-width: 3.6rem; flex: none; }
.method.get { color: var(--get); } .method.post { color: var(--post); }
.method.put, .method.patch { color: var(--put); } .method.delete { color: var(--delete); }
.inside { padding: .6rem .9rem 1.1rem; }
.facts { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 0; color: var(--soft); font-size: .88rem; }
h4 { margin: 1.2rem 0 .4rem; font-size: .82rem; font-weight: 650; }
.soft { color: var(--soft); font-weight: 400; font-size: .85rem; }
.media, .choice { margin: .3rem 0; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; background: var(--code); border-radius: 8px; line-height: 1.5; }
.answer { margin: .35rem 0; }
.answer > p { margin: 0 0 .2rem; }
.status { display: inline-block; min-width: 2.6rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.status.good { color: var(--good); } .status.bad { color: var(--delete); }
.members { margin: .2rem 0 .5rem; border-top: 1px solid var(--line); }
.members > div { display: grid; grid-template-columns: minmax(11rem, 17rem) minmax(0, 1fr); gap: .1rem 1rem; padding: .35rem 0;
  border-bottom: 1px solid var(--line); }
dt { overflow-wrap: anywhere; }
dt code { font-weight: 600; }
dd { margin: 0; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; }
.type { color: var(--soft); font-size: .82rem; }
.needed { color: var(--put); font-size: .75rem; white-space: nowrap; }
.limits { display: block; font-size: .82rem; opacity: .85; }
.deeper { margin-top: .25rem; }
.deeper > summary { cursor: pointer; color: var(--accent); font-size: .85rem; }
.deeper > .members, .deeper > .choice { margin-left: .2rem; padding-left: .8rem; border-left: 2px solid var(--line); }
dd .members > div { grid-template-columns: minmax(0, 1fr); }

@media (max-width: 860px) {
  .columns { display: block; padding: 0 .9rem; }
  nav { display: none; }
  header { flex-wrap: wrap; gap: .4rem .8rem; padding: .55rem .9rem; }
  h1 { flex: 1; }
  .search { order: 3; flex-basis: 100%; }
  .search input { max-width: none; font-size: 16px; }
  html { scroll-padding-top: 6.2rem; }
  .operation h3 { flex-wrap: wrap; gap: .1rem .6rem; }
  .members > div { grid-template-columns: minmax(0, 1fr); }
  .version { display: none; }
}
@media print { nav, header .search { display: none; } }
`
