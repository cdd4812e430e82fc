"""Renders a diagram as one HTML page: a sheet on wide screens, one column of cards on a phone.

The page contains each card once, as an SVG that CSS positions for both layouts.  A short script adds search and zoom;
everything else works without the script.
"""

from __future__ import annotations

from ..escaping import escaped_html as escape
from ..version import GENERATOR
from .card import Card
from .palette import DARK, LIGHT, Palette
from .sheet import Diagram, PlacedCard
from .svg import FONTS, Pictures, description, draw_card, draw_legend, draw_links, number, style_sheet

WIDE = 1100  # pixels; narrower windows show one column
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

LAYOUT = f"""
body{{margin:0;font:14px/1.5 {FONTS};-webkit-text-size-adjust:100%}}
header{{padding:20px 16px 8px;max-width:560px;margin:auto}}h1{{font-size:22px;line-height:1.2;margin:0 0 4px}}p{{margin:0}}
.tools{{position:sticky;top:0;z-index:1;padding:8px 16px;display:flex;gap:8px;align-items:center;justify-content:center}}
.tools[hidden],.links{{display:none}}
input,button{{font:inherit;color:inherit;background:none;border:1px solid;border-radius:6px;padding:4px 10px}}input{{min-width:0;width:16em}}
.zoom{{display:none}}main{{padding:0 8px 24px}}.part{{display:block;margin:0 auto;width:min(100%,calc(var(--u)*1.3px))}}
.legend{{margin-bottom:16px}}.part g{{scroll-margin:80px}}.searching g[id]:not(.hit)>a{{opacity:.25}}
.alone header,.alone .tools,.alone main{{max-width:600px;margin:auto}}.alone .tools{{justify-content:flex-start}}
.one{{display:flex;flex-direction:column-reverse;gap:16px}}.one .part{{margin:0;width:min(100%,calc(var(--u)*1.6px))}}.one .legend{{width:min(100%,calc(var(--u)*1px))}}
@media print,(min-width:{WIDE}px){{
.many{{position:relative;width:calc(100%*var(--zoom,1));min-width:1200px;aspect-ratio:var(--w)/var(--h)}}
.many .part,.many .links{{display:block;position:absolute;margin:0;left:calc(var(--x)/var(--w)*100%);top:calc(var(--y)/var(--h)*100%);width:calc(var(--u)/var(--w)*100%)}}
.sheeted header{{max-width:none;padding:24px 32px 0}}.sheeted .tools{{justify-content:flex-start;padding-left:32px}}.sheeted .zoom{{display:inline-block}}.sheeted main{{padding:8px 0 0;overflow-x:auto}}}}
@media print{{@page{{size:A3 landscape;margin:6mm}}.tools{{display:none}}.many{{min-width:0;width:min(100%,calc(258mm*var(--w)/var(--h)))}}.sheeted main{{overflow:visible}}.part{{break-inside:avoid}}}}
"""

SCRIPT = """
const tools=document.querySelector('.tools'),find=tools.querySelector('input'),count=tools.querySelector('output'),sheet=document.querySelector('.sheet');
const boxes=Array.from(document.querySelectorAll('g[id]>a'),a=>[a.parentNode,a.querySelector('title').textContent.toLowerCase()]);
let zoom=1;tools.hidden=false;
find.addEventListener('input',()=>{const wanted=find.value.trim().toLowerCase();let hits=[];
for(const [box,text] of boxes){const hit=wanted?text.includes(wanted):false;box.classList.toggle('hit',hit);if(hit)hits.push(box)}
sheet.classList.toggle('searching',wanted!=='');count.textContent=wanted?hits.length+' found':'';
if(hits[0])hits[0].scrollIntoView({block:'nearest',inline:'nearest'})});
for(const button of tools.querySelectorAll('button'))button.addEventListener('click',()=>{
zoom=Math.min(4,Math.max(1,zoom*Number(button.value)));sheet.style.setProperty('--zoom',zoom)});
"""


def page(diagram: Diagram, pictures: Pictures | None = None, provenance: str = "") -> str:
    """The diagram as one HTML file; ``provenance`` is appended to its description."""
    cards = "\n".join(draw_part(placed, diagram, pictures or {}) for placed in diagram.cards)
    kind = "one" if len(diagram.cards) == 1 else "many"
    size = f"--w:{number(diagram.width)};--h:{number(diagram.height - diagram.head)}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>
<meta name="generator" content="{GENERATOR}"/>
<meta name="color-scheme" content="light dark"/>
<meta name="description" content="{escape(f"{description(diagram)} {provenance}".strip())}"/>
<title>{escape(diagram.title)}</title>
<style>{style_sheet()}{LAYOUT}{body_colours(LIGHT)}@media(prefers-color-scheme:dark){{{body_colours(DARK)}}}</style>
</head>
<body class="{"sheeted" if kind == "many" else "alone"}">
<header><h1>{escape(diagram.title)}</h1><p class="summary">{escape(diagram.summary)}</p></header>
<div class="tools" hidden=""><input type="search" placeholder="a name in any convention" aria-label="search the sites"/><output aria-live="polite"></output><button class="zoom" value="1.25" aria-label="larger">+</button><button class="zoom" value="0.8" aria-label="smaller">−</button></div>
<main><div class="sheet {kind}" style="{size}">
{draw_sheet_links(diagram)}
{legend_part(diagram)}
{cards}
</div></main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def body_colours(palette: Palette) -> str:
    """The CSS rules for the colours of the page around the drawings."""
    p = palette
    return f"body,.tools{{background:{p.paper};color:{p.ink}}}.summary,output{{color:{p.faint}}}input,button{{border-color:{p.edge}}}"


def draw_part(placed: PlacedCard, diagram: Diagram, pictures: Pictures) -> str:
    """One card as an SVG that CSS can position."""
    card: Card = placed.card
    return part(
        "part", card.title, (placed.x, placed.y - diagram.head, card.width, card.height), draw_card(card, pictures)
    )


def legend_part(diagram: Diagram) -> str:
    """The legend as an SVG that CSS can position."""
    x, y = diagram.legend_at
    legend = diagram.legend
    return part("part legend", "legend", (x, y - diagram.head, legend.width, legend.height), draw_legend(legend))


def draw_sheet_links(diagram: Diagram) -> str:
    """The links between cards, which are visible only on the sheet."""
    height = diagram.height - diagram.head
    drawing = f'<g transform="translate(0 {number(-diagram.head)})">{draw_links(diagram)}</g>'
    return part("links", "", (0, 0, diagram.width, height), drawing)


def part(kind: str, label: str, place: tuple[float, float, float, float], drawing: str) -> str:
    """An SVG element; ``place`` is its (x, y, width, height) on the sheet."""
    x, y, width, height = map(number, place)
    accessibility = f'role="group" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return f'<svg class="{kind}" {accessibility} style="--x:{x};--y:{y};--u:{width}" viewBox="0 0 {width} {height}">{drawing}</svg>'
