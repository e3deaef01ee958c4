"""How the page looks: one set of colours for light, one for dark, both told apart by people who see few colours."""

from __future__ import annotations

__all__ = ["STYLE"]

LIGHT = (
    "--paper:#fbfaf7;--card:#fff;--ink:#1d2126;--muted:#5d646d;--line:#e4e1d9;--before:#b9b6ad;--after:#0b66ae;"
    "--mark:#c2500a;--good:#0b6b4f;--bad:#b3261e;--soft:#f1eee7;--hatch:#d9d5cb;--shadow:0 1px 2px #0000000f"
)
DARK = (
    "--paper:#14171b;--card:#1b1f25;--ink:#ebe8e1;--muted:#a0a7b1;--line:#2d333b;--before:#626a75;--after:#62b4f2;"
    "--mark:#ff9b57;--good:#5fd0a7;--bad:#ff8a80;--soft:#20252c;--hatch:#39414b;--shadow:none"
)

STYLE = (
    f""":root{{color-scheme:light;{LIGHT}}}
@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{DARK}}}}}
:root[data-theme=dark]{{color-scheme:dark;{DARK}}}
"""
    + """
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1120px;margin:0 auto;padding:40px 32px 80px}
h1,h2,.lead,.big{font-family:Charter,"Iowan Old Style","Bitstream Charter","Source Serif 4",Georgia,serif}
h1{font-size:clamp(30px,5vw,46px);line-height:1.1;letter-spacing:-.015em;margin:.1em 0 .3em;font-weight:700;
overflow-wrap:anywhere}
h2{font-size:27px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
h3{font-size:13px;font-weight:600;margin:0;color:var(--muted);overflow-wrap:anywhere}
.lead{font-size:clamp(19px,2.4vw,24px);line-height:1.42;margin:0 0 10px;max-width:38em}
.lead b{font-weight:700;color:var(--after)}
.kicker{font-size:12.5px;letter-spacing:.09em;text-transform:uppercase;color:var(--muted);margin:0;font-weight:600}
.muted,.deck{color:var(--muted)}
.deck{margin:0 0 22px;max-width:62em}
.top{display:flex;justify-content:space-between;align-items:center;gap:16px}
nav{display:flex;flex-wrap:wrap;gap:4px 20px;margin:26px 0 0;padding:11px 0;border-block:1px solid var(--line);
font-size:14px}
a{color:inherit;text-decoration-color:var(--before);text-underline-offset:3px}
a:hover{text-decoration-color:currentColor}
section{margin-top:60px}
button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
.theme{display:none;font-size:13px;border:1px solid var(--line);border-radius:99px;padding:5px 13px;color:var(--muted);
background:var(--card)}
.js .theme{display:block}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:14px;margin-top:28px}
.tiles.three{grid-template-columns:repeat(3,minmax(0,1fr))}.tiles.four{grid-template-columns:repeat(4,minmax(0,1fr))}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px 14px;
box-shadow:var(--shadow);min-width:0}
.big{font-size:31px;line-height:1.15;margin:5px 0 0;font-weight:700;letter-spacing:-.01em}
.from{margin:2px 0 10px;font-size:14px;color:var(--muted);display:flex;flex-wrap:wrap;gap:2px 8px;align-items:baseline;
min-height:1.5em}
.chip{font-weight:650}
.chip.good{color:var(--good)}.chip.bad{color:var(--bad)}.chip.same{color:var(--muted)}
.note,.spread{margin:7px 0 0;font-size:12.5px;line-height:1.4;color:var(--muted);overflow-wrap:anywhere}
.spread+.note{margin-top:1px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--ink)}
svg .tick,svg .muted{fill:var(--muted)}
svg .axisname{font-size:13px;font-weight:600}
svg .axisname .muted{font-weight:400}
svg .strong{font-weight:700}
.multiples svg .label{font-size:14px;fill:var(--muted)}
.multiples svg .strong{fill:var(--ink)}
.before{fill:var(--before)}.after{fill:var(--after)}
.whisker{stroke:var(--ink);stroke-width:1.6;stroke-linecap:round}
.grid{stroke:var(--line)}
.axis{stroke:var(--muted);stroke-opacity:.55}
.break{stroke:var(--muted);stroke-opacity:.7;stroke-dasharray:1 4}
.frontline,.series,.outline{fill:none;stroke:var(--after);stroke-width:2;stroke-linejoin:round}
.outline{stroke:var(--muted);stroke-width:1.3;fill:var(--before);fill-opacity:.3}
.series.other{stroke:var(--mark);stroke-dasharray:4 3}
svg .tick.other{fill:var(--mark)}
.area{fill:var(--after);fill-opacity:.1}
.point{stroke:var(--card);stroke-width:1.5;fill:var(--after)}
.point.trial{fill:var(--before)}
.point.whole{fill:var(--card);stroke:var(--ink);stroke-width:2.2}
.point.chosen{fill:var(--mark);stroke-width:2}
.point.below{fill:var(--card);stroke:var(--mark);stroke-width:2}
[data-tip]{cursor:default}
.point:hover,.point:focus{stroke:var(--ink);outline:none;stroke-width:2.4}
.label.chosen .strong{fill:var(--mark)}
.panel{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:22px 24px;
box-shadow:var(--shadow)}
.wide{min-width:560px}
.overflow{overflow-x:auto}
.multiples{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:30px 34px}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(280px,1fr));gap:18px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:0;
box-shadow:var(--shadow);min-width:0}
figcaption{display:flex;flex-wrap:wrap;gap:0 12px;align-items:baseline;margin-bottom:10px;font-size:14px;
overflow-wrap:anywhere}
.card figcaption .muted{font-size:13px}
.map{height:170px;border:1px solid var(--line);margin-bottom:12px;shape-rendering:crispEdges}
.map,.strip{background:repeating-linear-gradient(135deg,var(--hatch) 0 1px,transparent 1px 5px)}
.l0{fill:var(--soft)}.l6{fill:var(--after)}
.l1{fill:color-mix(in srgb,var(--after) 22%,var(--card))}.l2{fill:color-mix(in srgb,var(--after) 38%,var(--card))}
.l3{fill:color-mix(in srgb,var(--after) 53%,var(--card))}.l4{fill:color-mix(in srgb,var(--after) 68%,var(--card))}
.l5{fill:color-mix(in srgb,var(--after) 84%,var(--card))}
.legend{display:flex;flex-wrap:wrap;gap:6px 20px;font-size:13px;color:var(--muted);margin:0 0 16px;padding:0;
list-style:none}
.legend li{display:flex;align-items:center;gap:7px}
.key{width:22px;height:12px;border:1px solid var(--line);flex:none}
.key.kept{background:var(--after)}.key.was{background:var(--before)}.key.zero{background:var(--soft)}
.key.low{background:linear-gradient(90deg,color-mix(in srgb,var(--after) 20%,var(--card)),var(--after))}
.key.gone{background:repeating-linear-gradient(135deg,var(--hatch) 0 1px,transparent 1px 5px)}
.reach{fill:transparent}.reach:hover{fill:var(--ink);fill-opacity:.09}
.strips,.fall ol{list-style:none;margin:0;padding:0}
.strips li,.fall li{display:grid;grid-template-columns:minmax(120px,240px) 1fr 128px;gap:4px 18px;align-items:center;
padding:5px 0;font-size:14px}
.strips li+li{border-top:1px solid var(--line)}
.name{overflow-wrap:anywhere;line-height:1.3}
.strip{height:18px;shape-rendering:geometricPrecision}
.strip .kept{fill:var(--after)}.strip .unsure{fill:var(--before)}.strip .silent{fill:var(--after);fill-opacity:.65}
.count{text-align:right;white-space:nowrap}
.part,.was,.kind,.why{color:var(--muted)}
.part{display:inline-block;min-width:3.2em}
.strips .why,.kind{display:block;font-size:12.5px;font-weight:400}
.fall{margin:0 0 28px}.fall:last-child{margin:0}
.fall li{padding:2px 0;font-size:13px}
.step{height:14px}
.lead-line,.lead{stroke:none}
path.lead{stroke:var(--line);stroke-width:1;stroke-dasharray:2 3}
.scroll{overflow:auto;max-height:min(80vh,780px);background:var(--card);border:1px solid var(--line);border-radius:10px;
box-shadow:var(--shadow)}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:right;padding:8px 14px;border-top:1px solid var(--line);vertical-align:top;white-space:nowrap}
tbody tr:first-child>*{border-top:0}
th:first-child,td.why,thead th.text,.files th:last-child{text-align:left}
.files tbody th{white-space:nowrap}
tbody th{font-weight:600;white-space:normal;overflow-wrap:anywhere;min-width:150px;line-height:1.35}
thead th{position:sticky;top:0;background:var(--card);z-index:1;border-top:0;box-shadow:inset 0 -1px var(--line);
font-weight:600;font-size:13px;color:var(--muted)}
td.why{white-space:normal;font-size:13px;min-width:150px}
.files td.why{min-width:270px}
.was{text-decoration:line-through;text-decoration-thickness:1px;margin-right:3px;font-size:13px}
.mini{width:96px;height:5px;margin:5px 0 0 auto}
tbody tr:hover>*{background:var(--soft)}
.arrow::after{content:"";display:inline-block;width:1em;text-align:center}
[aria-sort=ascending] .arrow::after{content:"↑"}
[aria-sort=descending] .arrow::after{content:"↓"}
thead button{font-weight:600;white-space:nowrap}
html:not(.js) thead button{pointer-events:none}
.tools{display:none;gap:14px;align-items:center;margin:0 0 12px;font-size:14px;color:var(--muted)}
.js .tools{display:flex}
input[type=search]{font:inherit;font-size:14px;padding:7px 13px;border:1px solid var(--line);border-radius:8px;
background:var(--card);color:var(--ink);width:min(260px,60vw)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;
background:var(--soft);border-radius:8px;padding:15px 18px;overflow:auto;margin:0;max-height:520px;
font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.columns{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:34px}
dl{display:grid;grid-template-columns:auto 1fr;gap:5px 20px;margin:0;font-size:14px}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
.sub{margin:0 0 10px;font-size:15px;color:var(--ink)}
.sub:not(:first-child){margin-top:26px}
.notes{margin:0;padding-left:1.2em}
.notes li{margin:5px 0;overflow-wrap:anywhere}
footer{margin-top:64px;padding-top:18px;border-top:1px solid var(--line);font-size:13px;color:var(--muted)}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--paper);font-size:13px;line-height:1.4;
padding:6px 11px;border-radius:7px;max-width:min(340px,90vw);overflow-wrap:anywhere}
#tip[hidden]{display:none}
[hidden]{display:none!important}
@media (max-width:720px){
.page{padding:24px 16px 56px}section{margin-top:44px}.panel{padding:18px 16px}
.columns{grid-template-columns:minmax(0,1fr)}
.tiles,.tiles.three,.tiles.four{grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
.tile{padding:13px 14px}.big{font-size:25px}
.strips li,.fall li{grid-template-columns:1fr auto}
.strips .strip,.strips li>span:empty,.fall .step{grid-column:1/-1;grid-row:2}
th,td{padding:7px 10px}
}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{
:root:root:root{color-scheme:light;"""
    + LIGHT
    + """;--paper:#fff}
body{font-size:11pt}.page{max-width:none;padding:0}nav,.tools,.js .tools,.js .theme,#tip{display:none}
section{margin-top:28px}.scroll,pre{overflow:visible;max-height:none}thead th{position:static}
.tile,.card,.strips li,.fall li,tr,.multiples svg,figure.card{break-inside:avoid}h2,.deck{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
)
