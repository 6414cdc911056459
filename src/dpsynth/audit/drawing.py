"""Two figures of a release audit as plain SVG text: ROC curves, and every risk with its bounds beside its threshold.

INTERNAL as the audit is: the watermark stands in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from dpsynth.audit.release_audit import ReleaseAudit

_COLORS = ("#1b6ca8", "#c8553d", "#2a9d4a", "#8e5bb5", "#b8860b", "#555555")
_VERDICTS = {"PASS": "#2a9d4a", "FAIL": "#c8553d", "INCONCLUSIVE": "#b8860b"}
_MARK = "INTERNAL: computed from real rows; not for release"
_LABEL_WIDTH, _BAR_WIDTH, _LINE = 430, 380, 22
_SIDE, _LEFT, _TOP = 360, 60, 40


def roc_svg(audit: ReleaseAudit) -> str:
    """Every membership attack's curve; the diagonal is a coin. About 20 kB."""
    parts = [
        _rect(_LEFT, _TOP, _SIDE, _SIDE, fill="none", stroke="#999"),
        _path([(0.0, 0.0), (1.0, 1.0)], "#999", dash="4 4"),
        _text(_LEFT, 20, "Membership attacks: members found, by false alarms"),
        _text(_LEFT, _TOP + _SIDE + 32, "false positives from 0 to 1; vertical: true positives; dashed: a coin"),
        _text(_LEFT, _TOP + _SIDE + 50, _MARK),
    ]
    for place, attack in enumerate(audit.membership):
        color = _COLORS[place // 2 % len(_COLORS)]
        dash = "" if attack.group == "random" else "6 3"
        parts.append(_path(attack.roc(100), color, dash=dash))
        parts.append(_text(_LEFT + _SIDE + 20, _TOP + 14 + 18 * place, f"{attack.name}, {attack.group}", color))
    height = max(_TOP + _SIDE + 60, _TOP + 30 + 18 * len(audit.membership))
    return _document(_LEFT + _SIDE + 300, height, parts)


def risks_svg(audit: ReleaseAudit) -> str:
    """One bar per judged figure from its lower to its upper bound, the point estimate, and a tick at the threshold."""
    parts = [_text(10, 20, f"Risks with their bounds, under {audit.gate.name}; | is what is accepted")]
    for place, one in enumerate(audit.findings):
        finding, top = one.finding, 40 + _LINE * place
        interval = finding.figure.interval
        low, high = (0.0, 1.0) if interval is None else (interval.low, interval.high)
        color = _VERDICTS[finding.verdict.value]
        parts += [
            _text(10, top + 12, f"{finding.risk}: {finding.attack}, {finding.group}"),
            _rect(_x(low), top + 4, max(_x(high) - _x(low), 2.0), 9, fill=color),
            _rect(_x(finding.figure.value) - 1, top + 1, 2, 15, fill="#000"),
            _text(_x(finding.threshold) - 2, top + 13, "|", "#c00"),
        ]
    height = 40 + _LINE * len(audit.findings)
    parts.append(_text(10, height + 16, _MARK))
    return _document(_LABEL_WIDTH + _BAR_WIDTH + 40, height + 30, parts)


def _x(value: float) -> float:
    return _LABEL_WIDTH + _BAR_WIDTH * min(max(value, 0.0), 1.0)


def _document(width: float, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>', *parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, color: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, *, fill: str, stroke: str = "none") -> str:
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{fill}" stroke="{stroke}"/>'


def _path(points: Sequence[tuple[float, float]], color: str, *, dash: str) -> str:
    drawn = " ".join(f"{_LEFT + _SIDE * x:.1f},{_TOP + _SIDE * (1 - y):.1f}" for x, y in points)
    return f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-dasharray="{dash}"/>'
