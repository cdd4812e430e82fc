"""The report's style sheet: quiet, light or dark as the reader prefers, one column that fits a phone and paper."""

from __future__ import annotations

from ..diagram.palette import DARK, LIGHT, Palette
from ..diagram.svg import FONTS

RULES = f"""
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 {FONTS};-webkit-text-size-adjust:100%}}
main{{max-width:820px;margin:auto;padding:32px 16px 64px}}
h1{{font-size:17px;font-weight:600;margin:0}}h2{{font-size:19px;line-height:1.3;margin:48px 0 4px}}h3{{font-size:15px;margin:20px 0 4px}}
p{{margin:4px 0 12px;max-width:64ch}}.faint,figcaption,th,summary small{{color:var(--faint)}}
.hero{{display:flex;flex-wrap:wrap;gap:8px 32px;align-items:baseline;margin:24px 0 0}}
.big{{font-size:64px;font-weight:600;line-height:1.05;letter-spacing:-.02em;font-variant-numeric:tabular-nums}}
.caution{{border-left:3px solid var(--accent);padding:2px 12px;margin:16px 0}}
.notes{{border-left:3px solid var(--rule);padding:2px 0 2px 28px;margin:16px 0;max-width:68ch}}.notes li{{margin:4px 0}}
.facts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:1px;background:var(--rule);border:1px solid var(--rule);border-radius:8px;overflow:hidden;margin:24px 0}}
.facts div{{background:var(--card);padding:10px 14px}}.facts b{{display:block;font-size:20px;font-variant-numeric:tabular-nums}}
.chart{{display:block;width:100%;max-width:560px;height:auto;margin:12px 0;overflow:visible}}
.chart text{{font-family:{FONTS};font-size:10.5px;fill:var(--ink)}}.chart .faint{{fill:var(--faint)}}.chart .end{{text-anchor:end}}.chart .mid{{text-anchor:middle}}
.chart .rule{{stroke:var(--rule);fill:none}}.chart .dash{{stroke:var(--edge);stroke-dasharray:3 3;fill:none}}.chart .bar{{stroke:var(--edge);stroke-width:1.5;fill:none}}
.chart .dot{{fill:var(--edge)}}.chart .hot{{fill:var(--accent)}}.chart .hotbar{{stroke:var(--accent);stroke-width:1.5;fill:none}}.chart .hollow{{fill:var(--paper);stroke:var(--edge);stroke-width:1.5}}
.chart .heavy{{font-weight:600}}
.wide{{overflow-x:auto;margin:12px 0}}table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{padding:5px 10px 5px 0;text-align:left;vertical-align:top;font-weight:400;border-bottom:1px solid var(--rule)}}
td.n,th.n{{text-align:right;white-space:nowrap}}td small{{color:var(--faint);white-space:nowrap}}.name,td.name{{overflow-wrap:anywhere;min-width:7em}}
.matrix{{border-collapse:separate;border-spacing:2px}}.matrix th,.matrix td{{border:0;padding:0}}
.matrix tbody th{{text-align:right;padding:0 8px;max-width:11em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;vertical-align:middle}}
.matrix thead th{{writing-mode:vertical-rl;transform:rotate(180deg);max-height:9em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding:6px 0;vertical-align:middle}}
.matrix td{{width:38px;min-width:30px;height:34px;text-align:center;vertical-align:middle;border-radius:4px;background:var(--card)}}
.matrix thead td{{background:none}}.matrix td a{{display:block;line-height:34px;color:inherit;text-decoration:none;border-radius:4px}}.matrix td a:hover,.matrix td a:focus-visible{{outline:2px solid var(--accent)}}
details{{border-top:1px solid var(--rule);padding:8px 0}}details:target{{background:var(--card);outline:8px solid var(--card);border-radius:2px}}summary{{cursor:pointer;overflow-wrap:anywhere}}
.photos{{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:12px;margin:12px 0}}
figure{{margin:0;min-width:0}}figure svg,.none{{display:block;width:100%;aspect-ratio:1;border-radius:6px;background:var(--bar)}}
figcaption{{font-size:12px;line-height:1.35;margin-top:4px;overflow-wrap:anywhere}}figcaption b{{color:var(--ink);font-weight:600}}
.mistakes{{display:flex;flex-wrap:wrap;gap:0 28px}}.mistakes details{{border:0;padding:4px 0;max-width:100%}}.mistakes .photos{{display:flex;flex-wrap:wrap;margin:8px 0}}.mistakes figure{{width:96px}}.right{{margin-top:16px}}
.pair{{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:16px;margin:12px 0}}.pair>div{{display:grid;grid-template-columns:1fr 1fr;gap:6px}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:8px 0;font-size:13px}}dt{{color:var(--faint)}}dd{{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,'Liberation Mono',monospace}}
.pictures{{position:absolute;width:0;height:0}}
@media(max-width:520px){{.big{{font-size:52px}}dl{{grid-template-columns:1fr}}dd{{margin-bottom:6px}}h2{{margin-top:40px}}}}
@media print{{body{{background:none}}details{{break-inside:avoid}}figure{{break-inside:avoid}}}}
"""


def style_sheet() -> str:
    """All rules, with both sets of colours."""
    return (
        f":root{{{variables(LIGHT)}}}@media(prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}{RULES}{shades()}"
    )


def variables(palette: Palette) -> str:
    """A palette's colours by name."""
    named = ("paper", "card", "rule", "ink", "faint", "edge", "bar", "accent")
    colours = "".join(f"--{name}:{getattr(palette, name)};" for name in named)
    steps = "".join(f"--f{step}:{fill};--i{step}:{ink};" for step, (fill, ink) in enumerate(palette.shades))
    return colours + steps


def shades() -> str:
    """The rules for cells whose shade stands for a share."""
    return "".join(f".matrix td.s{step}{{background:var(--f{step});color:var(--i{step})}}" for step in range(7))
