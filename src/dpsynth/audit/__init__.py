"""Audits: does a mechanism keep its promise, on made-up tables, and what does a release give away, on real ones?

Nothing here sees the room (``curator``) or a synthesizer: the pipeline hands a synthesizer in as a function from a
``Queryable`` to a model.
"""
