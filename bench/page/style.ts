/**
 * The style sheet of the page, for light and dark, wide and narrow screens.
 */
export const STYLE = `
:root { color-scheme: light dark; --ink: #212529; --soft: #5c636a; --line: #dee2e6; --paper: #ffffff; --back: #f4f5f6; --dcache: #d9480f; --other: #0b7285; --faint: #adb5bd; --red: #c2255c; --blue: #1971c2; --green: #2f9e44; --purple: #7048e8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e9ecef; --soft: #a5adb5; --line: #373d43; --paper: #1a1d20; --back: #111315; --dcache: #ff922b; --other: #4dc4d6; --faint: #5c636a; --red: #f783ac; --blue: #74c0fc; --green: #8ce99a; --purple: #b197fc; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main, footer { max-width: 1230px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { margin: 0; font-size: 36px; letter-spacing: -0.02em; }
h1 span { color: var(--dcache); font-weight: 400; }
h2 { margin: 0 0 4px; font-size: 24px; letter-spacing: -0.01em; }
h3 { margin: 0; font-size: 16px; }
h4 { margin: 0; font-size: 13px; font-weight: 600; }
header p { margin: 4px 0; color: var(--soft); }
.summary { margin: 16px 0; padding: 0 0 0 20px; max-width: 900px; }
.summary li { margin: 4px 0; }
.setup { padding: 12px 16px; margin: 16px 0; border-left: 3px solid var(--dcache); background: var(--paper); font-size: 13px; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0 24px; }
nav a { padding: 4px 12px; border: 1px solid var(--line); border-radius: 16px; background: var(--paper); color: inherit; text-decoration: none; }
nav a:hover, nav a:focus { border-color: var(--dcache); color: var(--dcache); }
section { margin: 0 0 24px; padding: 24px 36px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); }
section > p { margin: 0 0 8px; color: var(--soft); }
.charts > figure { margin: 24px 0; }
.panels { display: flex; flex-wrap: wrap; gap: 12px 16px; margin-top: 8px; }
.panels > div { width: 350px; max-width: 100%; }
.panels > div.wide { width: 716px; }
figcaption { max-width: 900px; color: var(--soft); font-size: 14px; }
figcaption h3 { color: var(--ink); }
.legend span { margin-right: 16px; white-space: nowrap; }
.legend i { display: inline-block; width: 24px; margin-right: 6px; border-top: 3px solid; vertical-align: middle; }
.legend i.dot { width: 10px; height: 10px; border: 0; border-radius: 5px; vertical-align: baseline; }
.legend i.dashed { border-top-style: dashed; }
.legend i.dotted { border-top-style: dotted; }
.legend i.wide { border-top-width: 7px; opacity: 0.45; }
svg { --plot-background: var(--paper) !important; display: block; max-width: 100%; height: auto; font-size: 11px; overflow: visible; }
details { margin: 12px 0; border-top: 1px solid var(--line); padding-top: 10px; }
summary { cursor: pointer; font-weight: 600; }
details p { max-width: 900px; color: var(--soft); font-size: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px 3px 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td.figure { text-align: right; }
.left-out { color: var(--dcache) !important; font-size: 14px; }
.seconds { font-size: 12px; }
footer { padding-bottom: 40px; color: var(--soft); font-size: 13px; }
@media (max-width: 600px) {
  header, main, footer { padding: 0 8px; }
  header { padding-top: 16px; }
  section { padding: 16px 12px; }
  h1 { font-size: 28px; }
  .legend span { display: block; white-space: normal; }
}
`
