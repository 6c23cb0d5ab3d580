/**
 * How the page looks.
 */
export const STYLE = `
:root { color-scheme: light; --ink: #212529; --soft: #5c636a; --line: #dee2e6; --paper: #ffffff; --accent: #e8590c; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f5f6; color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main, footer { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { margin: 0; font-size: 36px; letter-spacing: -0.02em; }
h1 span { color: var(--accent); font-weight: 400; }
h2 { margin: 0 0 4px; font-size: 24px; letter-spacing: -0.01em; }
header p { margin: 4px 0; color: var(--soft); }
.setup { padding: 12px 16px; margin: 16px 0; border-left: 3px solid var(--accent); background: var(--paper); font-size: 13px; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0 24px; }
nav a { padding: 4px 12px; border: 1px solid var(--line); border-radius: 16px; background: var(--paper); color: inherit; text-decoration: none; }
nav a:hover { border-color: var(--accent); color: var(--accent); }
section { margin: 0 0 24px; padding: 24px 36px; border: 1px solid var(--line); border-radius: 8px; background: var(--paper); }
section > p { margin: 0 0 8px; color: var(--soft); }
.charts { display: flex; flex-wrap: wrap; gap: 0 24px; }
.charts > figure { margin: 16px 0; max-width: 100%; }
figure figure { margin: 8px 0 0; }
figcaption { max-width: 900px; color: var(--soft); font-size: 14px; }
figcaption b { color: var(--ink); font-size: 16px; margin-right: 6px; }
svg { max-width: 100%; height: auto; }
details { margin: 12px 0; border-top: 1px solid var(--line); padding-top: 10px; }
summary { cursor: pointer; font-weight: 600; }
details p { max-width: 900px; color: var(--soft); font-size: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 12px 3px 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td.figure { text-align: right; }
.left-out { color: var(--accent) !important; font-size: 14px; }
.seconds { font-size: 12px; }
footer { padding-bottom: 40px; color: var(--soft); font-size: 13px; }
`
