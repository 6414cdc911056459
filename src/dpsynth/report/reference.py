"""What stands in every report: limitations, the disclosure card, the map of regulations, the glossary."""

from __future__ import annotations

LIMITATIONS = (
    "The guarantee holds if the software drew the noise as it should: see the audit of the mechanisms.",
    "The cap holds for what the ledger knows: questions that were asked without it are not in it.",
    "What no question asked about is not in synthetic rows: rare groups and relations of many columns go first.",
    "Counts of a synthetic table are not counts of the population. Use the intervals.",
    "A model that is chosen among several by looking at real rows has spent more than the ledger says.",
)

CARD = (
    ("1 Variant and parameters", "{variant}"),
    ("2 Unit and bounded contributions", "{unit}"),
    ("3 Relation", "{relation}"),
    ("4 Scope in time", "{scope}"),
    ("5 Trust model", "a central curator: whoever ran the fit saw the raw table; the holder states who that was"),
    ("6 Mechanisms", "{questions}; the discrete Gaussian or Laplace mechanism, and the exponential mechanism"),
    ("7 Composition", "adaptive, in the currency of the pool, recorded before each answer"),
    ("8 Randomness and numbers", "sampler: {samplers}; exact integer noise, seeded by the operating system"),
    ("9 Not protected", "the schema, its bounds and constraints, and what the section above lists"),
    ("10 Preprocessing and tuning", "{steps}"),
    ("11 Post-processing", "estimation, sampling and everything computed from the answers: costs nothing"),
    ("12 Utility and bias", "noisy counts with intervals, column by column, in the section on utility"),
    ("13 Software and evidence", "{software}"),
    ("14 Data security", "storage, access and retention of the raw table: the holder states them"),
)

REGULATIONS = (
    (
        "GDPR, recital 26; WP216",
        "Singling out, linking, inference: (ε, δ) bounds what anybody gains from one unit; the controller decides.",
    ),
    (
        "HIPAA, 45 CFR 164.514",
        "Safe Harbor: names fields that must be absent. Expert Determination: the expert signs, not this report.",
    ),
    (
        "EMA policy 0070; Health Canada PRCI",
        "Both accept a risk of 0.09 for records of persons. Synthetic rows are none; an audit's gate ema asks for it.",
    ),
    ("NIST SP 800-226", "The card of fourteen items above states what the guidance asks to be stated."),
    (
        "ISO/IEC 27559",
        "Asks for context, data, identifiability, controls: this report covers data and identifiability.",
    ),
)

GLOSSARY = (
    ("ε (epsilon)", "how much more likely any output may become when one unit's data are added or removed: e^ε times"),
    ("δ (delta)", "the small chance left out of that statement"),
    ("unit", "whose data are added or removed: a row, or a person with a bounded number of rows"),
    ("pool", "the budget of one population: everything asked of it is paid from here"),
    ("cap", "what the pool may spend in all: the guarantee over all releases"),
    ("ρ (rho), mu²", "currencies in which losses add up exactly; they are converted into (ε, δ) once"),
    ("receipt", "the record in the ledger that an answer was paid for before it was given"),
    ("post-processing", "whatever is computed from private answers alone; it loses nothing"),
    ("distance", "half the L1 distance of shares: 0 equal, 1 nothing in common"),
)
