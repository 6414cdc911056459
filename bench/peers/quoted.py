"""Figures of libraries that this harness does not install, quoted from our own earlier measurements."""

from __future__ import annotations

CONDITIONS = """\
Measured by the makers of dpsynth on 22 November 2026, before this harness existed, and not repeated by it: mbi 2.0.0
ships no mechanisms (those of its repository were run, with changes that the released package needs), and the package
`dpsynth` of Google has the name of this one. Two shared, busy cores, Python 3.12 for google/dpsynth; one run a row (mbi
MST at ε = 1: two); δ = 1e-9, add/remove; a random 80 % of McKenna-coded Adult, not the split used above, n-row samples.
google/dpsynth 0.3.0 with jax 0.11.0 (64-bit), mbi with jax 0.10.2. AUC of the same two kinds of classifiers on the same
target; how they were given the codes may differ from the above."""

HEADER = ("ε", "library", "method", "CPU s", "peak MB", "TVD1", "TVD2", "TVD3", "AUC boosting / logistic")

ROWS = (
    ("0.1", "google/dpsynth", "SWIFT (all-3-way)", "86", "1,827", ".0787", ".1668", ".2599", ".843 / .856"),
    ("1", "mbi", "MST", "136–154", "1,970", ".0102–.0105", ".0555–.0560", ".1195–.1200", ".817, .809 / .807, .797"),
    ("1", "google/dpsynth", "SWIFT (all-3-way)", "305", "2,470", ".0151", ".0547", ".1140", ".872 / .875"),
    ("1", "mbi", "AIM (pairs, 80 MB)", "stopped after 45 minutes: 562 for 5 rounds", "2,559", "", "", "", ""),
    ("1", "google/dpsynth", "AIM-GDP (pairs, 4 MB)", "compiler out of memory, 15 minutes", "5,602", "", "", "", ""),
    ("10", "mbi", "MST", "166", "2,248", ".0016", ".0423", ".1030", ".851 / .844"),
    ("10", "google/dpsynth", "SWIFT (all-3-way)", "not finished after 15 minutes", "5,107", "", "", "", ""),
)

NLTCS = "On 80 % of NLTCS at ε = 1, google/dpsynth's SWIFT was stopped at 10.3 GB of memory."
